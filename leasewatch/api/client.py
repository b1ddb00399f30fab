"""Ask the service, and check its replies (`exchange` does neither cost a start nor check).

It is for commands, so it imports no asyncio. A list is asked for in pages: no page, and so no
buffer, is large. What to do without the service is the caller's matter.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from leasewatch.api import exchange, interface
from leasewatch.api.interface import (
    Entry,
    EventsReply,
    HistoryReply,
    ListReply,
    MonitorParameters,
    MonitorReply,
    ResolveParameters,
    ResolveReply,
    SourcesReply,
    WaitParameters,
    WaitReply,
)
from leasewatch.errors import UNDECODABLE
from leasewatch.history.rows import HistoryParameters
from nss_pyvirt.errors import UserError

_T = TypeVar("_T", bound=msgspec.Struct)
_OLDER: Final = {f"{interface.SERVICE_NAME}.{kind}NotFound" for kind in ("Interface", "Method")}
"""What a service answers that lacks what we know."""


NoServiceError = exchange.NoServiceError


class NoHistoryError(UserError):
    """No history is kept, or the service cannot read it."""

    code = "unavailable"


class RefusedError(UserError):
    """The service answered with the error `name`, which has these parameters."""

    def __init__(self, method: str, name: str, parameters: msgspec.Raw) -> None:
        super().__init__(f"the service refused {method}: {name}")
        self.name = name
        self.parameters = parameters


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
    pages = list(replies(path, interface.LIST, None, ListReply))
    entries = [entry for page in pages for entry in page.entries]
    return ListReply(entries=entries, generation=pages[-1].generation)


def sources(path: Path) -> SourcesReply:
    """How each source stands, from the service at `path`; raises NoServiceError or UserError."""
    pages = replies(path, interface.SOURCES, None, SourcesReply)
    return SourcesReply(sources=[source for page in pages for source in page.sources])


def resolve(path: Path, query: str) -> ResolveReply:
    """What a name or an address answers; raises NoSuchNameError, NoServiceError or UserError."""
    asked = ResolveParameters(query=query)
    (reply,) = replies(path, interface.RESOLVE, asked, ResolveReply, more=False)
    return reply


def history(
    path: Path, asked: HistoryParameters, timeout: float = exchange.TIMEOUT
) -> HistoryReply:
    """Who held which address when; raises NoHistoryError, NoServiceError or UserError."""
    pages = replies(path, interface.HISTORY, asked, HistoryReply, timeout=timeout)
    return HistoryReply(holdings=[holding for page in pages for holding in page.holdings])


def events(path: Path, asked: HistoryParameters, timeout: float = exchange.TIMEOUT) -> EventsReply:
    """What happened; raises NoHistoryError, NoServiceError or UserError."""
    pages = replies(path, interface.EVENTS, asked, EventsReply, timeout=timeout)
    return EventsReply(events=[event for page in pages for event in page.events])


def monitor(
    path: Path, since: int | None = None, timeout: float | None = None
) -> Iterator[MonitorReply]:
    """Every candidate, then each event as it comes; raises NoServiceError or UserError.

    It ends after `timeout` seconds; None: it goes on until the service ends (NoServiceError).
    """
    asked = MonitorParameters(since=since)
    until = math.inf if timeout is None else time.monotonic() + timeout
    return replies(path, interface.MONITOR, asked, MonitorReply, until=until)


def wait(path: Path, asked: WaitParameters) -> WaitReply:
    """Whether a name got an address, or lost the last one; raises NoServiceError or UserError."""
    most = interface.MAX_WAIT if asked.timeout is None else asked.timeout
    timeout = most + exchange.TIMEOUT
    (reply,) = replies(path, interface.WAIT, asked, WaitReply, more=False, timeout=timeout)
    return reply


def replies(
    path: Path,
    method: str,
    parameters: msgspec.Struct | None,
    kind: type[_T],
    *,
    more: bool = True,
    timeout: float = exchange.TIMEOUT,
    until: float | None = None,
) -> Iterator[_T]:
    """The parameters of each reply to one call; the last one is the only one without `more`.

    Raises NoServiceError, RefusedError or another UserError.
    """
    try:
        asked = msgspec.Raw(msgspec.json.encode(parameters or {}))
    except UnicodeEncodeError:
        hint = "leasewatch list shows every lease"
        raise UserError("the name is not UTF-8", hint, "invalid") from None
    call = interface.Call(method=method, parameters=asked, more=more)
    encoded = msgspec.json.encode(call)
    for message in exchange.messages(str(path), encoded, timeout=timeout, until=until):
        reply = _decode(message, interface.Reply)
        if reply.error is not None:
            raise refusal(method, reply.error, reply.parameters)
        yield _decode(reply.parameters, kind)
        if not reply.continues:
            return


def refusal(method: str, error: str, parameters: msgspec.Raw) -> UserError:
    """What the service's error means to the user."""
    if error == interface.NO_SUCH_NAME:
        unknown = _decode(parameters, interface.NoSuchName)
        return NoSuchNameError(unknown.query, unknown.candidates)
    if error == interface.NO_HISTORY:
        why = _decode(parameters, interface.NoHistory).why
        return NoHistoryError(why, "see journalctl -u leasewatch")
    if error == interface.TOO_MANY_WAITS:
        hint = "end some of them, or raise waits_of_user in leasewatch.toml"
        return UserError("too many commands of this user wait already", hint, "unavailable")
    if error in _OLDER:
        what = "the running service is of another version, which cannot do this"
        return UserError(what, "sudo systemctl restart leasewatch", "unavailable")
    return RefusedError(method, error, parameters)


def _decode(message: bytes | msgspec.Raw, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(message, type=kind)
    except UNDECODABLE as error:
        raise UserError(
            f"cannot understand the service's reply: {error}", "sudo systemctl restart leasewatch"
        ) from error
