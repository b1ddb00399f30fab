"""The Varlink server. Every local user may ask, so no peer may cost more than its share.

It knows who is connected and which method a call means, not where the answers come from: it calls
the methods of the interfaces that it is made to offer. A call asks for a list with `more` set, and
gets a reply per page, or without, and gets one reply that is sent page by page.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from leasewatch.api.backlog import TooSlowError
from leasewatch.api.connection import Connection
from leasewatch.api.description import Method, methods
from leasewatch.api.interface import SERVICE_NAME, Call, TooManyWaits, encoded
from leasewatch.api.introspection import (
    INTERFACES,
    SERVICE_ERRORS,
    ExpectedMore,
    Interface,
    InterfaceNotFound,
    InvalidParameter,
    MethodNotFound,
    PermissionDenied,
    VarlinkService,
)
from leasewatch.api.methods import MethodError
from leasewatch.api.peers import STREAMS, Peer, Peers, Waiting
from leasewatch.api.sending import send_encoded, send_pages, send_whole
from leasewatch.api.turns import Turns
from leasewatch.daemon.logs import fields
from leasewatch.errors import UNDECODABLE

_BACKLOG: Final = 512
"""Connections that wait in the kernel until the event loop accepts them."""
_AT_ONCE: Final = 16
"""Connections accepted before other work has its turn."""
_RETRY_SECONDS: Final = 1.0
"""How long to accept no connection if no file descriptor is left."""
_FIELD: Final = re.compile(r"(?:field|at) `(?:\$\.)?(\w+)")
"""The parameter that msgspec complains about."""
_LOG = logging.getLogger(__name__)


class VarlinkServer:
    """Serves a path (mode 0666), or a socket that listens already, from `start` until `stop`.

    `keep_idle`: a connection may be silent between two calls for as long as it likes.
    """

    def __init__(
        self,
        place: Path | socket.socket,
        peers: Peers,
        turns: Turns,
        interfaces: Mapping[str, Interface] = INTERFACES,
        *,
        keep_idle: bool = False,
    ) -> None:
        self._place = place
        self._peers = peers
        self._turns = turns
        self._interfaces = interfaces
        self._keep_idle = keep_idle
        self._methods: dict[str, tuple[Method, Callable[..., Any]]] = {}
        self.offer(SERVICE_NAME, VarlinkService(interfaces))
        self._listener: socket.socket | None = None
        self._connections: dict[Connection, Peer] = {}
        self._connecting: set[asyncio.Task[None]] = set()

    def offer(self, name: str, interface: object) -> None:
        """Answer the calls of one of the interfaces with these methods."""
        for method in methods(type(interface)):
            function = getattr(interface, method.attribute)
            self._methods[f"{name}.{method.name}"] = (method, function)

    def start(self) -> None:
        """Listen. Replaces a socket that a killed service left; raises OSError."""
        place = self._place
        self._listener = listener = _bound(place) if isinstance(place, Path) else place
        listener.setblocking(False)
        self._listen(listener)

    async def stop(self) -> None:
        """End every connection, and remove the socket that `start` made."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for connection in list(self._connections):
            connection.hang_up()
        over = [connection.over for connection in self._connections]
        await asyncio.gather(*self._connecting, *over, return_exceptions=True)
        if isinstance(self._place, Path):
            self._place.unlink(missing_ok=True)

    def _listen(self, listener: socket.socket) -> None:
        if listener is self._listener:  # not stopped meanwhile
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_AT_ONCE):
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # no file descriptor is left
                loop.remove_reader(listener)
                loop.call_later(_RETRY_SECONDS, self._listen, listener)
                return
            self._admit(sock)

    def _admit(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        connection = Connection(self._ready, self._ended, keep_idle=self._keep_idle)
        peer = self._peers.enter(sock, connection.hang_up)
        if peer is None:
            sock.close()
            return
        self._connections[connection] = peer
        connecting = asyncio.create_task(_connect(connection, sock))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)

    def _ready(self, connection: Connection) -> None:
        self._turns.call(partial(self._take, connection))

    def _ended(self, connection: Connection, faulty: bool) -> None:
        peer, counters = self._connections.pop(connection), self._peers.counters
        counters.peers_faulty += faulty
        counters.watchers_cut_off += faulty and peer.waiting in STREAMS
        self._peers.leave(peer)

    def _take(self, connection: Connection) -> None:
        """Answer the next call, or begin to."""
        if connection.is_over:
            return
        peer = self._connections[connection]
        try:
            call = msgspec.json.decode(connection.call(), type=Call)
        except UNDECODABLE:
            connection.hang_up(faulty=True)
            return
        peer.calls += 1
        self._peers.counters.calls += 1
        if _LOG.isEnabledFor(logging.DEBUG):
            _LOG.debug("call %s", fields(method=call.method, pid=peer.pid, uid=peer.uid))
        if call.oneway:
            self._obey(call, peer)
            connection.finish()
            return
        try:
            method, answer = self._call(call, peer)
        except MethodError as error:
            connection.write(_refusal(call, error))
            connection.finish()
            return
        if isinstance(answer, msgspec.Struct):
            connection.write(encoded(answer))
            connection.finish()
        else:
            answering = self._answer(call, method, answer, connection, peer)
            connection.run(answering, patient=method.waits)

    async def _answer(
        self,
        call: Call,
        method: Method,
        answer: Awaitable[msgspec.Struct] | AsyncIterator[Any],
        connection: Connection,
        peer: Peer,
    ) -> None:
        """Answer a call that takes more than one turn."""
        try:
            if isinstance(answer, Awaitable):
                connection.write(encoded(await answer))
                return
            async with aclosing(answer) as replies:  # type: ignore[type-var]
                if method.waits:
                    await send_encoded(replies, connection)
                elif call.more:
                    await send_pages(replies, connection, self._turns)
                else:
                    await send_whole(replies, connection, self._turns)
        except MethodError as error:
            connection.write(_refusal(call, error))
        except TooSlowError as error:
            counters = self._peers.counters
            counters.watchers_cut_off += 1
            counters.events_dropped += error.missed
            connection.hang_up(faulty=True)
        finally:
            if method.waits:
                self._peers.end_waiting(peer)

    def _obey(self, call: Call, peer: Peer) -> None:
        """Do what a call wants that needs no reply; most methods only reply."""
        found = self._methods.get(call.method)
        if found is not None and found[0].privileged:
            with suppress(MethodError):
                self._call(call, peer)

    def _call(self, call: Call, peer: Peer) -> tuple[Method, Any]:
        """The method, and what it returns; raises MethodError."""
        interface = call.method.rpartition(".")[0]
        if interface not in self._interfaces:
            raise MethodError(InterfaceNotFound(interface=interface))
        if call.method not in self._methods:
            raise MethodError(MethodNotFound(method=call.method))
        method, function = self._methods[call.method]
        if method.privileged and not self._peers.may_change(peer):
            raise MethodError(PermissionDenied())
        if method.waits and method.streams and not call.more:
            raise MethodError(ExpectedMore())
        parameters = () if method.parameters is None else (_decoded(call, method.parameters),)
        if method.waits and not self._peers.begin_waiting(peer, cast("Waiting", method.name)):
            raise MethodError(TooManyWaits())
        return method, function(*parameters)


def _bound(path: Path) -> socket.socket:
    """A socket that listens at `path`; raises OSError."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _decoded(call: Call, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """The parameters of a call; raises MethodError."""
    try:
        return msgspec.json.decode(call.parameters, type=kind)
    except UNDECODABLE as error:
        found = _FIELD.search(str(error))
        fault = found[1] if found else kind.__struct_fields__[0]
        raise MethodError(InvalidParameter(parameter=fault)) from None


async def _connect(connection: Connection, sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await loop.connect_accepted_socket(lambda: connection, sock)


def _refusal(call: Call, error: MethodError) -> bytes:
    """The reply with the error."""
    kind = type(error.parameters)
    of = SERVICE_NAME if kind in SERVICE_ERRORS else call.method.rpartition(".")[0]
    return encoded(error.parameters, error=f"{of}.{kind.__name__}")
