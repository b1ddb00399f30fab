"""Ask the service over its Varlink socket, blocking, with one deadline for the whole question.

For command-line programs: no asyncio. It falls back to nothing (that is `offline`).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
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
"""Seconds for connecting, asking and reading the whole reply."""
MAX_REPLY: Final = 256 * 1024 * 1024
"""Bytes; 100,000 entries take about 50 MB."""

_T = TypeVar("_T", bound=msgspec.Struct)


class NoServiceError(UserError):
    """Nobody listens on the socket, or it does not answer in time."""

    code = "unavailable"


class NoHistoryError(UserError):
    """No history is kept, or the service cannot read it."""

    code = "unavailable"


class NoSuchNameError(UserError):
    """Nothing answers to the query; `candidates` were refused. The exit code is 3."""

    code = "not-found"

    def __init__(self, query: str, candidates: Sequence[Entry]) -> None:
        hint = candidates[0].reason if candidates else "leasewatch list shows every lease"
        super().__init__(f'nothing answers to "{query}"', hint, exit_code=3)
        self.candidates = candidates


def list_entries(path: Path) -> ListReply:
    """Every candidate, from the service at `path`; raises NoServiceError or UserError."""
    return _decode(_call(path, interface.LIST, None), ListReply)


def sources(path: Path) -> SourcesReply:
    """How each source stands, from the service at `path`; raises NoServiceError or UserError."""
    return _decode(_call(path, interface.SOURCES, None), SourcesReply)


def resolve(path: Path, query: str) -> ResolveReply:
    """What a name or an address answers; raises NoSuchNameError, NoServiceError or UserError."""
    return _decode(_call(path, interface.RESOLVE, ResolveParameters(query=query)), ResolveReply)


def history(path: Path, asked: HistoryParameters) -> HistoryReply:
    """Who held which address when; raises NoHistoryError, NoServiceError or UserError."""
    return _decode(_call(path, interface.HISTORY, asked), HistoryReply)


def events(path: Path, asked: HistoryParameters) -> EventsReply:
    """What happened; raises NoHistoryError, NoServiceError or UserError."""
    return _decode(_call(path, interface.EVENTS, asked), EventsReply)


def _call(path: Path, method: str, parameters: msgspec.Struct | None) -> msgspec.Raw:
    try:
        asked = msgspec.Raw(msgspec.json.encode(parameters or {}))
    except UnicodeEncodeError:
        hint = "leasewatch list shows every lease"
        raise UserError("what is asked for is not UTF-8", hint, "invalid") from None
    call = interface.Call(method=method, parameters=asked)
    reply = _decode(_exchange(path, msgspec.json.encode(call) + b"\0"), interface.Reply)
    if reply.error is None:
        return reply.parameters
    if reply.error == interface.NO_SUCH_NAME:
        unknown = _decode(reply.parameters, interface.NoSuchName)
        raise NoSuchNameError(unknown.query, unknown.candidates)
    if reply.error == interface.NO_HISTORY:
        why = _decode(reply.parameters, interface.NoHistory).why
        raise NoHistoryError(why, "journalctl -u leasewatch says more")
    raise UserError(f"the service refused {method}: {reply.error}")


def _exchange(path: Path, message: bytes) -> bytes:
    """One message there and one back, without its NUL."""
    deadline = time.monotonic() + TIMEOUT
    received = bytearray()
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.settimeout(TIMEOUT)
            client.connect(str(path))
            client.sendall(message)
            while not received.endswith(b"\0"):
                client.settimeout(max(0.001, deadline - time.monotonic()))
                piece = client.recv(1 << 20)
                if not piece:
                    raise NoServiceError("the leasewatch service ended while it answered")
                received += piece
                if len(received) > MAX_REPLY:
                    raise UserError(f"the service's reply is over {MAX_REPLY} bytes")
        except (FileNotFoundError, ConnectionRefusedError):
            from nss_pyvirt.installer.pieces import start_command  # noqa: PLC0415  start-up time

            what = "the leasewatch service is not running"
            raise NoServiceError(what, start_command()) from None
        except OSError as error:
            why = "no answer" if isinstance(error, TimeoutError) else error.strerror
            raise NoServiceError(
                f"the leasewatch service does not answer ({why})", "systemctl status leasewatch"
            ) from error
    return bytes(received[:-1])


def _decode(message: bytes | msgspec.Raw, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(message, type=kind)
    except UNDECODABLE as error:
        raise UserError(
            f"the service's reply is not understood: {error}", "sudo systemctl restart leasewatch"
        ) from error
