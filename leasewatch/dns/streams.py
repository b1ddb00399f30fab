"""DNS over TCP (RFC 7766): messages behind their length, many on one connection, in order.

Each client has a share of the connections. Each message has a deadline, in both directions. A
stream of many messages waits until the client has taken each one, and lets others run between them.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from functools import partial
from typing import Final

from leasewatch.daemon.seats import Seats
from leasewatch.dns.asking import Asker, Respond

MOST: Final = 256
"""Connections of all clients."""
MOST_OF_CLIENT: Final = 64
"""Of one address. If all places are taken, the oldest of the client with most is ended."""
IDLE_SECONDS: Final = 20.0
"""A client has so long for each whole message."""
SEND_SECONDS: Final = 10.0
"""A client has so long to take each message."""
_RETRY_SECONDS: Final = 1.0
"""How long to accept no connection if no file descriptor is left."""
_CHUNK: Final = 65_536
_AT_ONCE: Final = 16
"""Connections that are accepted before other work has its turn."""


class Streams:
    """Serves the connections of every TCP socket."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._seats = Seats[asyncio.Task[None]](MOST, MOST_OF_CLIENT)

    def __len__(self) -> int:
        """Connections now."""
        return len(self._seats)

    def listen(self, listener: socket.socket) -> None:
        """Accept what comes there, until it is closed."""
        if listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_AT_ONCE):
            try:
                sock, client = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # no file descriptor is left
                loop.remove_reader(listener)
                loop.call_later(_RETRY_SECONDS, self.listen, listener)
                return
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # replies on a shared stream
            self._admit(sock, Asker(client[0], client[1], sock.getsockname()[0], is_tcp=True))

    def _admit(self, sock: socket.socket, asker: Asker) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(sock, asker))
        task.add_done_callback(partial(self._ended, sock))  # it may end before it begins
        leaving = self._seats.enter(task, asker.address)
        if leaving is not None:
            leaving.cancel()

    def _ended(self, sock: socket.socket, task: asyncio.Task[None]) -> None:
        self._seats.leave(task)
        sock.close()

    def stop(self) -> None:
        """End every connection."""
        for task in self._seats.guests():
            task.cancel()

    async def _serve(self, sock: socket.socket, asker: Asker) -> None:
        with suppress(OSError, TimeoutError):  # it went away, or is too slow
            await self._converse(sock, asker)

    async def _converse(self, sock: socket.socket, asker: Asker) -> None:
        """Answer message by message until the client ends; raises OSError and TimeoutError."""
        loop, buffer = asyncio.get_running_loop(), bytearray()
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                while (message := _taken(buffer)) is None:
                    data = await loop.sock_recv(sock, _CHUNK)
                    if not data:
                        return
                    buffer += data
            reply = self._respond(message, asker)
            if isinstance(reply, asyncio.Future):
                reply = await reply
            for one in reply:
                async with asyncio.timeout(SEND_SECONDS):
                    await loop.sock_sendall(sock, len(one).to_bytes(2, "big") + one)
                await asyncio.sleep(0)  # else a socket that is never full would stop all other work
            await asyncio.sleep(0)


def _taken(buffer: bytearray) -> bytes | None:
    """The first message, which leaves the buffer; None: it is not whole yet."""
    length = int.from_bytes(buffer[:2], "big") + 2
    if len(buffer) < max(length, 2):
        return None
    message = bytes(buffer[2:length])
    del buffer[:length]
    return message
