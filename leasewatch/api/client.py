"""Ask the service over its Varlink socket: blocking, with a deadline for each reply.

It is for commands, so it imports no asyncio. A list is asked for in pages: no page, and so no
buffer, is large. What to do without the service is the caller's matter.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from leasewatch.api import interface
from leasewatch.api.interface import (
    Entry,
    EventsReply,
    HistoryReply,
    ListReply,
    ResolveParameters,
    ResolveReply,
    SourcesReply,
)
from leasewatch.errors import UNDECODABLE
from leasewatch.history.rows import HistoryParameters
from nss_pyvirt.errors import UserError

TIMEOUT: Final = 5.0
"""Seconds to connect, ask and read a reply, or the next page of a list."""
MAX_REPLY: Final = 256 * 1024 * 1024
"""The most bytes of all replies to a question; 100,000 entries take about 50 MB."""

_T = TypeVar("_T", bound=msgspec.Struct)


class NoServiceError(UserError):
    """The service does not listen on the socket, or does not answer in time."""

    code = "unavailable"


class NoHistoryError(UserError):
    """No history is kept, or the service cannot read it."""

    code = "unavailable"


class NoSuchNameError(UserError):
    """Nothing answers to the query; `candidates` were refused. The exit code is 3."""

    code = "not-found"

    def __init__(self, query: str, candidates: Sequence[Entry]) -> None:
        why = f": {candidates[0].reason}" if candidates else ""
        hint = "leasewatch list shows every lease"
        if candidates:
            import shlex  # noqa: PLC0415  start-up time

            hint = f"leasewatch resolve {shlex.quote(query)} --explain"
        super().__init__(f'no host has the name or address "{query}"{why}', hint, exit_code=3)
        self.candidates = candidates


def list_entries(path: Path) -> ListReply:
    """Every candidate, from the service at `path`; raises NoServiceError or UserError."""
    pages = list(_pages(path, interface.LIST, None, ListReply))
    entries = [entry for page in pages for entry in page.entries]
    return ListReply(entries=entries, generation=pages[-1].generation)


def sources(path: Path) -> SourcesReply:
    """How each source stands, from the service at `path`; raises NoServiceError or UserError."""
    pages = _pages(path, interface.SOURCES, None, SourcesReply)
    return SourcesReply(sources=[source for page in pages for source in page.sources])


def resolve(path: Path, query: str) -> ResolveReply:
    """What a name or an address answers; raises NoSuchNameError, NoServiceError or UserError."""
    asked = ResolveParameters(query=query)
    (reply,) = _pages(path, interface.RESOLVE, asked, ResolveReply, more=False)
    return reply


def history(path: Path, asked: HistoryParameters) -> HistoryReply:
    """Who held which address when; raises NoHistoryError, NoServiceError or UserError."""
    pages = _pages(path, interface.HISTORY, asked, HistoryReply)
    return HistoryReply(holdings=[holding for page in pages for holding in page.holdings])


def events(path: Path, asked: HistoryParameters) -> EventsReply:
    """What happened; raises NoHistoryError, NoServiceError or UserError."""
    pages = _pages(path, interface.EVENTS, asked, EventsReply)
    return EventsReply(events=[event for page in pages for event in page.events])


def _pages(
    path: Path, method: str, parameters: msgspec.Struct | None, kind: type[_T], *, more: bool = True
) -> Iterator[_T]:
    """The parameters of each reply to one call; the last one is the only one without `more`."""
    try:
        asked = msgspec.Raw(msgspec.json.encode(parameters or {}))
    except UnicodeEncodeError:
        hint = "leasewatch list shows every lease"
        raise UserError("the name is not UTF-8", hint, "invalid") from None
    call = interface.Call(method=method, parameters=asked, more=more)
    for message in _exchange(path, msgspec.json.encode(call) + b"\0"):
        reply = _decode(message, interface.Reply)
        if reply.error is not None:
            raise _refusal(method, reply.error, reply.parameters)
        yield _decode(reply.parameters, kind)
        if not reply.continues:
            return


def _refusal(method: str, error: str, parameters: msgspec.Raw) -> UserError:
    """What the service's error means to the user."""
    if error == interface.NO_SUCH_NAME:
        unknown = _decode(parameters, interface.NoSuchName)
        return NoSuchNameError(unknown.query, unknown.candidates)
    if error == interface.NO_HISTORY:
        why = _decode(parameters, interface.NoHistory).why
        return NoHistoryError(why, "see journalctl -u leasewatch")
    return UserError(f"the service refused {method}: {error}")


def _exchange(path: Path, message: bytes) -> Iterator[bytes]:
    """Send one message, and yield each that comes back, without its NUL, until the caller stops."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.settimeout(TIMEOUT)
            client.connect(str(path))
            client.sendall(message)
            yield from _messages(client)
        except (FileNotFoundError, ConnectionRefusedError):
            from nss_pyvirt.installer.pieces import start_command  # noqa: PLC0415  start-up time

            what = "the leasewatch service is not running"
            raise NoServiceError(what, start_command()) from None
        except OSError as error:
            why = "no answer" if isinstance(error, TimeoutError) else error.strerror
            raise NoServiceError(
                f"the leasewatch service does not answer ({why})", "systemctl status leasewatch"
            ) from error


def _messages(client: socket.socket) -> Iterator[bytes]:
    received, size = bytearray(), 0
    deadline = time.monotonic() + TIMEOUT
    while True:
        client.settimeout(max(0.001, deadline - time.monotonic()))
        piece = client.recv(1 << 20)
        if not piece:
            raise NoServiceError("the leasewatch service ended while it answered")
        size += len(piece)
        if size > MAX_REPLY:
            raise UserError(f"the service's reply is over {MAX_REPLY} bytes")
        *ends, rest = piece.split(b"\0")
        for end in ends:
            yield bytes(received + end)
            received.clear()
            deadline = time.monotonic() + TIMEOUT
        received += rest


def _decode(message: bytes | msgspec.Raw, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(message, type=kind)
    except UNDECODABLE as error:
        raise UserError(
            f"cannot understand the service's reply: {error}", "sudo systemctl restart leasewatch"
        ) from error
