"""Parameters of history queries, and the rows of the answers.

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
    since: Annotated[
        float | None, "Unix seconds: omit holdings that had ended and events before"
    ] = None
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
        " watched) or missed (released while the history was not written). A neighbour is gone"
        " (its domain ended, nothing or another MAC answers) or quiet (not seen for long, too many"
        " addresses of its MAC, bridge or prefix gone; it continues if seen within a day)",
    ]
    claim: Annotated[str | None, "why the guest's last claim to a name failed"]
    domain: str | None
    hostname: str | None
    client_id: str | None
    expires: Annotated[int | None, "the last known end of the lease; null: never"]
    origin: Annotated[
        Origin,
        "lease, or neighbour: the bridge saw the MAC at an address without a lease",
    ]


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened to a holding."""

    seq: Annotated[int, "the event's number, never used again"]
    time: Annotated[float, "Unix seconds"]
    kind: Annotated[
        str,
        "added, seen (by the bridge), named (after a domain), refused, conflict, published (after"
        " a failed claim), lost, or how a holding ended, except quiet",
    ]
    name: str | None
    network: Annotated[str | None, "null: there was no holding, or it was deleted"]
    address: str | None
    mac: str | None
    why: str | None
    domain: str | None
    hostname: str | None
    client_id: str | None
