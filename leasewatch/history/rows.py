"""What is asked of the history, and the rows that it answers with. Data only."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from leasewatch.model import Origin

MAX_ROWS: Final = 100_000
"""Of one reply of `History` or `Events`."""


class HistoryParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `History` and `Events`."""

    query: str | None = None
    since: float | None = None
    limit: Annotated[int, msgspec.Meta(ge=0, le=MAX_ROWS)] | None = None


class Holding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of `History`; the fields are those of `type Holding`."""

    name: str | None
    network: str
    address: str
    mac: str | None
    since: float
    until: float | None
    ended: str | None
    claim: str | None
    domain: str | None
    hostname: str | None
    client_id: str | None
    expires: int | None
    origin: Origin


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of `Events`; the fields are those of `type Event`."""

    seq: int
    time: float
    kind: str
    name: str | None
    network: str | None
    address: str | None
    mac: str | None
    why: str | None
    domain: str | None
    hostname: str | None
    client_id: str | None
