"""The Varlink server. Every local user may ask, so no peer may cost more than its share.

It knows the protocol (https://varlink.org/Method-Call), not where the answers come from: it calls
the methods of `LeaseWatch` and `VarlinkService`. A call asks for a list with `more` set, and gets a
reply per page, or without, and gets one reply that is sent page by page.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from leasewatch.api.description import Method, methods
from leasewatch.api.interface import (
    MAX_CALL,
    MONITOR,
    NAME,
    SERVICE_NAME,
    TOO_MANY_WAITS,
    WAIT,
    Call,
    Reply,
    TooManyWaits,
)
from leasewatch.api.introspection import (
    INTERFACES,
    SERVICE_ERRORS,
    ExpectedMore,
    InterfaceNotFound,
    InvalidParameter,
    MethodNotFound,
    PermissionDenied,
    VarlinkService,
)
from leasewatch.api.methods import LeaseWatch, MethodError
from leasewatch.api.peers import Peer, Peers
from leasewatch.daemon.logs import fields
from leasewatch.errors import UNDECODABLE

IDLE_SECONDS = 30.0
"""The peer has this long to send a whole call, and to take a whole reply."""
_BACKLOG = 512
"""Connections that wait in the kernel until the event loop accepts them."""
_WAITING: Final[dict[str, Literal["Wait", "Monitor"]]] = {MONITOR: "Monitor", WAIT: "Wait"}
"""The calls that take as long as they take."""
_FIELD = re.compile(r"(?:field|at) `(?:\$\.)?(\w+)")
"""The parameter that msgspec complains about."""
_LOG = logging.getLogger(__name__)


class VarlinkServer:
    """Serves `path` (mode 0666) from `start` until `stop`."""

    def __init__(self, path: Path, lease_watch: LeaseWatch, peers: Peers) -> None:
        self._path = path
        self._peers = peers
        self._methods: dict[str, tuple[Method, Callable[..., Any]]] = {}
        self.offer(NAME, lease_watch)
        self.offer(SERVICE_NAME, VarlinkService())
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    def offer(self, name: str, interface: object) -> None:
        """Answer the calls of one of INTERFACES with these methods."""
        for method in methods(type(interface)):
            function = getattr(interface, method.attribute)
            self._methods[f"{name}.{method.name}"] = (method, function)

    async def start(self) -> None:
        """Listen. Replaces a socket that a killed service left; raises OSError."""
        self._path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            sock.bind(str(self._path))
            self._path.chmod(0o666)
            self._server = await asyncio.start_unix_server(
                self._connected, sock=sock, limit=MAX_CALL, backlog=_BACKLOG
            )
        except OSError:
            sock.close()
            raise

    async def stop(self) -> None:
        """End every session and remove the socket."""
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        sock = writer.get_extra_info("socket")
        peer = self._peers.enter(sock, writer.transport.abort)  # its session then ends by itself
        if session is None or peer is None:
            return
        self._sessions.add(session)
        try:
            await self._serve(peer, reader, writer)
        except (OSError, EOFError):
            pass  # the peer left
        except (asyncio.LimitOverrunError, TimeoutError, *UNDECODABLE):
            self._peers.counters.peers_faulty += 1
        finally:
            self._sessions.discard(session)
            self._peers.leave(peer)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _serve(
        self, peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                message = await reader.readuntil(b"\0")
            call = msgspec.json.decode(message[:-1], type=Call)
            peer.calls += 1
            self._peers.counters.calls += 1
            if _LOG.isEnabledFor(logging.DEBUG):
                _LOG.debug("call %s", fields(method=call.method, pid=peer.pid, uid=peer.uid))
            waits = _WAITING.get(call.method)
            if waits is not None:
                await self._answer_late(call, waits, peer, reader, writer)
                continue
            async with asyncio.timeout(IDLE_SECONDS):
                await self._answer(call, peer, writer)
            await asyncio.sleep(0)  # neither a full buffer nor a peer that reads lets others run

    async def _answer_late(
        self,
        call: Call,
        waits: Literal["Wait", "Monitor"],
        peer: Peer,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Answer a call that waits, until the peer leaves or sends another one."""
        if not self._peers.begin_waiting(peer, waits):
            await _send(TooManyWaits(), writer, error=TOO_MANY_WAITS)
            return
        answering = asyncio.create_task(self._answer(call, peer, writer))
        leaving = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise EOFError
            answering.result()
        finally:
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
            self._peers.end_waiting(peer)

    async def _answer(self, call: Call, peer: Peer, writer: asyncio.StreamWriter) -> None:
        if call.oneway:
            return
        try:
            method, answer = self._call(call, peer)
            if not method.streams:
                await _send(await answer, writer)
                return
            async with aclosing(answer) as pages:
                if call.method == MONITOR:
                    await _send_events(pages, writer, more=call.more)
                else:
                    await (_send_pages if call.more else _send_whole)(pages, writer)
        except MethodError as error:
            kind = type(error.parameters)
            of = SERVICE_NAME if kind in SERVICE_ERRORS else call.method.rpartition(".")[0]
            await _send(error.parameters, writer, error=f"{of}.{kind.__name__}")

    def _call(self, call: Call, peer: Peer) -> tuple[Method, Any]:
        """The method, and what it returns; raises MethodError."""
        interface = call.method.rpartition(".")[0]
        if interface not in INTERFACES:
            raise MethodError(InterfaceNotFound(interface=interface))
        if call.method not in self._methods:
            raise MethodError(MethodNotFound(method=call.method))
        method, function = self._methods[call.method]
        if method.privileged and not self._peers.may_change(peer):
            raise MethodError(PermissionDenied())
        if method.parameters is None:
            return method, function()
        try:
            parameters = msgspec.json.decode(call.parameters, type=method.parameters)
        except UNDECODABLE as error:
            found = _FIELD.search(str(error))
            fault = found[1] if found else method.parameters.__struct_fields__[0]
            raise MethodError(InvalidParameter(parameter=fault)) from None
        return method, function(parameters)


async def _send(
    parameters: msgspec.Struct,
    writer: asyncio.StreamWriter,
    *,
    continues: bool = False,
    error: str | None = None,
) -> None:
    raw = msgspec.Raw(msgspec.json.encode(parameters))
    reply = Reply(parameters=raw, continues=continues, error=error)
    writer.write(msgspec.json.encode(reply) + b"\0")
    await writer.drain()


async def _send_events(
    events: AsyncIterator[msgspec.Struct], writer: asyncio.StreamWriter, *, more: bool
) -> None:
    """A reply for each event as it comes."""
    if not more:
        raise MethodError(ExpectedMore())
    async for event in events:
        async with asyncio.timeout(IDLE_SECONDS):
            await _send(event, writer, continues=True)


async def _send_pages(pages: AsyncIterator[msgspec.Struct], writer: asyncio.StreamWriter) -> None:
    """A reply for each page."""
    page = await anext(pages)
    async for following in pages:
        await _send(page, writer, continues=True)
        await asyncio.sleep(0)
        page = following
    await _send(page, writer)


async def _send_whole(pages: AsyncIterator[msgspec.Struct], writer: asyncio.StreamWriter) -> None:
    """One reply, which is never in memory as a whole."""
    before, rows, after = _around_rows(await anext(pages))
    writer.write(before + rows)
    try:
        async for page in pages:
            writer.write(b"," + _around_rows(page)[1])
            await writer.drain()
            await asyncio.sleep(0)
    except MethodError as error:
        raise ConnectionAbortedError("half a reply cannot become an error") from error
    writer.write(after)
    await writer.drain()


def _around_rows(page: msgspec.Struct) -> tuple[bytes, bytes, bytes]:
    """A reply's JSON before, inside and after the list that is its first field."""
    field, *others = page.__struct_fields__
    rows = msgspec.json.encode(getattr(page, field))[1:-1]
    rest = msgspec.json.encode({name: getattr(page, name) for name in others})[1:-1]
    after = b"]," + rest if rest else b"]"
    return b'{"parameters":{"%s":[' % field.encode(), rows, after + b"}}\0"
