"""What the history is asked, and the rows that it answers with.

The Varlink interface shows these structs. The string beside a field's type is its comment there.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from leasewatch.model import Origin

MAX_ROWS: Final = 100_000
"""The most rows of one answer."""


class HistoryParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `History` and `Events`."""

    query: Annotated[str | None, "a name, an address or a MAC address; null: everything"] = None
    since: Annotated[float | None, "Unix seconds: leave out what had ended by then"] = None
    limit: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=MAX_ROWS)] | None,
        f"the newest rows, {MAX_ROWS} at most; null: that many",
    ] = None


class Holding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The time of one client at one address under one hostname."""

    name: Annotated[str | None, "the domain's, else the guest's hostname unless it was refused"]
    network: str
    address: str
    mac: str | None
    since: Annotated[float, "Unix seconds"]
    until: Annotated[float | None, "Unix seconds; null: it holds"]
    ended: Annotated[
        str | None,
        "expired, released, renamed, replaced (by another client), withdrawn (its file is no longer"
        " watched) or missed (it went while nobody watched); of a neighbour: gone (its domain"
        " ended, or nobody or another MAC answers there) or quiet (not heard of for long, one too"
        " many of its MAC, or its bridge or prefix went; it holds on if it is seen within a day)",
    ]
    claim: Annotated[str | None, "how the guest's claim to a name last failed"]
    domain: str | None
    hostname: str | None
    client_id: str | None
    expires: Annotated[int | None, "the last known end of the lease; null: never"]
    origin: Annotated[
        Origin,
        "lease, or neighbour: the bridge saw the MAC there, and no lease had the address",
    ]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened to a holding."""

    seq: Annotated[int, "no two events have the same, ever"]
    time: Annotated[float, "Unix seconds"]
    kind: Annotated[
        str,
        "added, seen (by the bridge), named (a domain's), refused, conflict, published (after a"
        " claim that had failed), what ends a holding other than quiet, or lost",
    ]
    name: str | None
    network: Annotated[str | None, "null: the holding is forgotten, or there was none"]
    address: str | None
    mac: str | None
    why: str | None
    domain: str | None
    hostname: str | None
    client_id: str | None
