"""The Varlink interface `org.pyvirt.Dns`: what `leasewatch dns serve` has and does.

The string beside a field's type is its comment in the interface's text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, Final

import msgspec

DNS: Final = "org.pyvirt.Dns"
STATUS: Final = f"{DNS}.Status"


class UnboundEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint of [dns] listen where nothing answers; it is retried."""

    VARLINK: ClassVar[str] = "Unbound"

    address: str
    error: Annotated[str, "why it cannot be bound"]
    hint: Annotated[str | None, "what helps"] = None


class Secondary(msgspec.Struct, frozen=True, kw_only=True):
    """A name server or peer that asks for a zone, or gets NOTIFY for it."""

    address: str
    serial: Annotated[int | None, "the serial that it got last; null: none"] = None
    asked: Annotated[float | None, "when that was, in Unix seconds"] = None


class ZoneEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A zone that is served to the site."""

    VARLINK: ClassVar[str] = "Zone"

    zone: str
    serial: int
    names: int
    secondaries: list[Secondary] = []


class PeerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Another host of the site, whose names this host knows."""

    VARLINK: ClassVar[str] = "Peer"

    host: str
    zone: str
    address: Annotated[str | None, "null: not found yet"] = None
    serial: Annotated[int | None, "null: the zone was never transferred"] = None
    names: int = 0
    checked: Annotated[float | None, "when the peer last confirmed the serial, in Unix seconds"] = (
        None
    )
    expires: Annotated[float | None, "when its names go if it stays away, in Unix seconds"] = None
    error: Annotated[
        str | None, "why the last attempt failed, or which of its records are left out"
    ] = None
    hint: Annotated[str | None, "what helps"] = None
    left_out: Annotated[list[str], "bare names that do not answer here, each with the reason"] = []


class RefusedName(msgspec.Struct, frozen=True, kw_only=True):
    """A name that is not exported."""

    name: str
    why: str
    hint: Annotated[str, "what helps"]


class ExportEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A zone of another server that gets our names by updates (RFC 2136)."""

    VARLINK: ClassVar[str] = "Export"

    server: str
    zone: str
    names: Annotated[int, "names that the server has from this host"] = 0
    queued: Annotated[int, "names that are not sent yet"] = 0
    sent: Annotated[float | None, "when the server last took all of them, in Unix seconds"] = None
    error: Annotated[str | None, "why the last attempt failed; null: it did not"] = None
    hint: Annotated[str | None, "what helps"] = None
    refused: Annotated[list[RefusedName], "100 at most"] = []
    refused_count: Annotated[int, "how many names are refused"] = 0


class DnsCounters(msgspec.Struct, kw_only=True):
    """What the process has done since it started. Every number only grows."""

    queries: Annotated[int, "questions received"] = 0
    queries_refused: Annotated[int, "questions refused: not our zone, or not for this client"] = 0
    queries_limited: Annotated[int, "questions not answered in full, by the rate limit"] = 0
    transfers: Annotated[int, "zones sent as a whole"] = 0
    transfers_incremental: Annotated[int, "zones sent as changes"] = 0
    notifies: Annotated[int, "NOTIFY messages sent"] = 0


class DnsStatus(msgspec.Struct, kw_only=True):
    """Reply of `Status`. Each part of the process adds its own rows and numbers."""

    version: str
    pid: int
    uptime: Annotated[float, "seconds since the process started"]
    follows: Annotated[bool, "whether it follows the leasewatch service now"]
    names: Annotated[int, "names of this host"]
    listens: Annotated[list[str], "where the DNS server listens"] = []
    unbound: Annotated[list[UnboundEntry], "where it should listen, too, and cannot"] = []
    zones: list[ZoneEntry] = []
    peers: list[PeerEntry] = []
    exports: list[ExportEntry] = []
    counters: DnsCounters = msgspec.field(default_factory=DnsCounters)


class Dns:
    """Names of this host for other hosts: zones, transfers, peers."""

    def __init__(self, status: Callable[[], DnsStatus]) -> None:
        self._status = status

    def status(self) -> DnsStatus:
        """What the process has and does."""
        return self._status()
