"""The Varlink server: every local user may ask, so no peer may cost more than its share.

It knows the protocol (https://varlink.org) and the methods, not where the answers come from.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from leasewatch.api import interface
from leasewatch.api.answers import Answers
from leasewatch.api.interface import (
    Call,
    NoHistory,
    NoSuchName,
    Reply,
    ResolveParameters,
    SourcesReply,
)
from leasewatch.daemon.seats import Seats, peer_uid
from leasewatch.errors import UNDECODABLE
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import HistoryParameters
from nss_pyvirt import __version__
from nss_pyvirt.errors import UserError

IDLE_SECONDS = 30.0
"""A call must be whole, and a reply taken, within so long."""
MAX_SESSIONS = 128
MAX_SESSIONS_OF_USER = 16
ENTRIES_AT_ONCE = 200
"""Of a long reply, so that the table is published in between."""


class VarlinkServer:
    """Serves `path` (mode 0666) from `start` until `stop`; `generation()` is the table's."""

    def __init__(
        self,
        path: Path,
        answers: Answers,
        history: HistoryReader,
        generation: Callable[[], int],
    ) -> None:
        self._path = path
        self._answers = answers
        self._history = history
        self._generation = generation
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._seats = Seats[asyncio.StreamWriter](MAX_SESSIONS, MAX_SESSIONS_OF_USER)

    async def start(self) -> None:
        """Replaces a socket that a killed service left; raises OSError."""
        self._path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            sock.bind(str(self._path))
            self._path.chmod(0o666)
            self._server = await asyncio.start_unix_server(
                self._connected, sock=sock, limit=interface.MAX_CALL
            )
        except OSError:
            sock.close()
            raise

    async def stop(self) -> None:
        """Ends every session and removes the socket."""
        if self._server is not None:
            self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        leaving = self._seats.enter(writer, peer_uid(writer.get_extra_info("socket")))
        if leaving is not None:
            leaving.transport.abort()  # its session ends by itself
        if session is None or leaving is writer:
            return
        self._sessions.add(session)
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, asyncio.LimitOverrunError, TimeoutError, *UNDECODABLE):
            pass  # the peer went, dawdles or does not speak Varlink
        except UserError:
            pass  # the history was harmed between two pieces: an answer that ends is no answer
        finally:
            self._sessions.discard(session)
            self._seats.leave(writer)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                message = await reader.readuntil(b"\0")
            call = msgspec.json.decode(message[:-1], type=Call)
            async with asyncio.timeout(IDLE_SECONDS):
                await self._answer(call, writer)
            await asyncio.sleep(0)  # neither a full buffer nor a peer that reads lets others run

    async def _answer(self, call: Call, writer: asyncio.StreamWriter) -> None:
        if call.oneway:
            return
        if call.method == interface.LIST:
            await self._send_list(writer)
            return
        if call.method in {interface.HISTORY, interface.EVENTS}:
            await self._send_history(call, writer)
            return
        await _send(self._reply(call), writer)

    def _reply(self, call: Call) -> Reply:
        if call.method == interface.RESOLVE:
            return self._resolve(call)
        if call.method == interface.SOURCES:
            return _ok(SourcesReply(sources=self._answers.sources()))
        if call.method == interface.GET_INFO:
            return _ok(_info())
        if call.method == interface.GET_INTERFACE_DESCRIPTION:
            return _describe(call)
        name, _, _ = call.method.rpartition(".")
        if name in {interface.NAME, interface.SERVICE_NAME}:
            return _error(interface.METHOD_NOT_FOUND, {"method": call.method})
        return _error(interface.INTERFACE_NOT_FOUND, {"interface": name})

    def _resolve(self, call: Call) -> Reply:
        try:
            query = msgspec.json.decode(call.parameters, type=ResolveParameters).query
        except UNDECODABLE:
            return _error(interface.INVALID_PARAMETER, {"parameter": "query"})
        found = self._answers.resolve(query, time.time())
        if isinstance(found, NoSuchName):
            return _error(interface.NO_SUCH_NAME, found)
        return _ok(found)

    async def _send_list(self, writer: asyncio.StreamWriter) -> None:
        """The reply in pieces: it may have 100,000 entries."""
        generation = self._generation()
        writer.write(b'{"parameters":{"entries":[')
        entries, comma = self._answers.entries(), b""
        while piece := list(islice(entries, ENTRIES_AT_ONCE)):
            writer.write(comma + _listed(piece))
            comma = b","
            await writer.drain()
            await asyncio.sleep(0)
        writer.write(b'],"generation":%d}}\0' % generation)
        await writer.drain()

    async def _send_history(self, call: Call, writer: asyncio.StreamWriter) -> None:
        """The reply in pieces, each read in a thread once the peer has taken the last."""
        try:
            asked = msgspec.json.decode(call.parameters, type=HistoryParameters)
        except UNDECODABLE as error:
            fault = str(error).partition("`$.")[2].rstrip("`")
            await _send(_error(interface.INVALID_PARAMETER, {"parameter": fault}), writer)
            return
        pages: Iterator[Sequence[msgspec.Struct]]
        page: Sequence[msgspec.Struct] | None
        if call.method == interface.HISTORY:
            pages, start = self._history.holdings(asked), b'{"parameters":{"holdings":['
        else:
            pages, start = self._history.events(asked), b'{"parameters":{"events":['
        try:
            page = await asyncio.to_thread(_next, pages)
        except UserError as error:
            await _send(_error(interface.NO_HISTORY, NoHistory(why=error.what)), writer)
            return
        while page:
            writer.write(start + _listed(page))
            start = b","
            await writer.drain()
            page = await asyncio.to_thread(_next, pages)
        writer.write((b"" if start == b"," else start) + b"]}}\0")
        await writer.drain()


async def _send(reply: Reply, writer: asyncio.StreamWriter) -> None:
    writer.write(msgspec.json.encode(reply) + b"\0")
    await writer.drain()


def _ok(parameters: object) -> Reply:
    return Reply(parameters=msgspec.Raw(msgspec.json.encode(parameters)))


def _error(error: str, parameters: object) -> Reply:
    return Reply(error=error, parameters=msgspec.Raw(msgspec.json.encode(parameters)))


def _next(
    pages: Iterator[Sequence[msgspec.Struct]],
) -> Sequence[msgspec.Struct] | None:
    return next(pages, None)


def _listed(rows: Sequence[msgspec.Struct]) -> bytes:
    """The rows as the inside of a JSON array."""
    return msgspec.json.encode(rows)[1:-1]


def _info() -> dict[str, object]:
    return {
        "vendor": "nss-pyvirt",
        "product": "leasewatch",
        "version": __version__,
        "url": "",
        "interfaces": [interface.SERVICE_NAME, interface.NAME],
    }


def _describe(call: Call) -> Reply:
    try:
        wanted = msgspec.json.decode(call.parameters, type=dict[str, str]).get("interface", "")
    except UNDECODABLE:
        return _error(interface.INVALID_PARAMETER, {"parameter": "interface"})
    if wanted != interface.NAME:
        return _error(interface.INTERFACE_NOT_FOUND, {"interface": wanted})
    return _ok({"description": interface.DESCRIPTION})
