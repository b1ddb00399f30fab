"""The messages of the Varlink interface `org.pyvirt.LeaseWatch`, and the structs in them.

`methods` holds the methods; `description` makes the interface's text of both. The string beside a
field's type is the comment that the text has for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Literal

import msgspec

from leasewatch import addresses
from leasewatch.history.rows import Event, Holding
from leasewatch.model import Claim, HostAddress, HostRecord, Origin, Trust, Verdict

NAME: Final = "org.pyvirt.LeaseWatch"
SERVICE_NAME: Final = "org.varlink.service"

LIST: Final = f"{NAME}.List"
RESOLVE: Final = f"{NAME}.Resolve"
SOURCES: Final = f"{NAME}.Sources"
HISTORY: Final = f"{NAME}.History"
EVENTS: Final = f"{NAME}.Events"
MONITOR: Final = f"{NAME}.Monitor"
RECORDS: Final = f"{NAME}.Records"
WAIT: Final = f"{NAME}.Wait"
NO_SUCH_NAME: Final = f"{NAME}.NoSuchName"
NO_HISTORY: Final = f"{NAME}.NoHistory"
TOO_MANY_WAITS: Final = f"{NAME}.TooManyWaits"

MAX_CALL: Final = 64 * 1024
"""The most bytes of one call, NUL included. Replies have no limit."""

MAX_WAIT: Final = 86400
"""The most seconds that `Wait` takes."""

Seconds = Annotated[int | None, "Unix seconds; null: never, or no lease"]
Ifindex = Annotated[int, "the interface of a link-local address, else 0"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One candidate for a name, and what became of it.

    That is a lease, an address that only the bridge's neighbour table knows, or a running domain
    without an address.
    """

    name: Annotated[str | None, "the name it has or claims; null if it has none"]
    trust: Annotated[Trust | None, "who vouches for the name: owner or guest"]
    verdict: Annotated[Verdict, "published, pending, refused, conflict, ended, expired or unnamed"]
    reason: Annotated[str, "why, in one sentence"]
    network: str
    domain: str | None = None
    address: Annotated[
        str | None, "null: a running domain without a lease, or an alias that it did not get"
    ] = None
    family: Annotated[int | None, "4 or 6"] = None
    ifindex: Ifindex = 0
    origin: Annotated[
        Origin | None, "how the address is known: lease or neighbour; null: no address, or unknown"
    ] = None
    mac: Annotated[
        str | None, "the MAC address that the host saw: the DHCP server, or the bridge"
    ] = None
    hostname: Annotated[str | None, "what the guest calls itself"] = None
    client_id: Annotated[str | None, "client id or DUID"] = None
    iaid: int | None = None
    expires: Seconds = None
    source: Annotated[str | None, "the lease file; null: a neighbour"] = None


class SourceEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A lease file, or the state of a kind of DHCP server that has none here."""

    VARLINK: ClassVar[str] = "Source"

    source: Annotated[str, "pyvirt, settings (files named in the settings), libvirt, incus, …"]
    state: Annotated[
        Literal["watched", "unreadable", "absent", "off"],
        "watched, unreadable, absent (none here) or off (by the settings)",
    ]
    path: str | None = None
    network: str | None = None
    leases: Annotated[int | None, "how many hold"] = None
    modified: Annotated[float | None, "when the file was last written, in Unix seconds"] = None
    error: Annotated[str | None, "what is, or was last, wrong"] = None
    hint: Annotated[str | None, "what helps"] = None


class SourcesReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `Sources`."""

    sources: list[SourceEntry]


class Address(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An address that a name has."""

    address: str
    family: Annotated[int, "4 or 6"]
    network: str
    expires: Annotated[int | None, "Unix seconds; null: never"] = None
    ifindex: Ifindex = 0
    origin: Annotated[
        Origin | None, "lease or neighbour; null: unknown, which only happens without the service"
    ] = None


class ListReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `List`."""

    entries: list[Entry]
    generation: int


class ResolveParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `Resolve`."""

    query: str


class ResolveReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `Resolve`."""

    name: str
    aliases: list[str]
    trust: Annotated[Trust, "owner or guest"]
    pending_until: Annotated[
        int | None,
        "Unix seconds; until then a domain that was started may get its first address (if it has"
        " IPv4, its first global IPv6 address); null: it is not pending",
    ]
    addresses: list[Address]
    candidates: list[Entry]


class MonitorParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `Monitor`."""

    since: Annotated[
        int | None, "the number of the last event that the client knows; null: none"
    ] = None


Kind = Literal["snapshot", "synced", "resumed", "added", "changed", "renewed", "removed"]


class MonitorReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `Monitor`.

    Two entries are the same candidate if their name, network, address and source are equal, and
    without an address also their domain.
    """

    number: Annotated[int, "of the last event so far; a later service goes on with larger numbers"]
    kind: Annotated[
        Kind,
        "snapshot (an entry that is there), synced (the snapshot is complete), resumed (no"
        " snapshot, the events since follow), added, changed, renewed (only its times changed) or"
        " removed",
    ]
    time: Annotated[float, "when it happened, in Unix seconds"]
    entry: Annotated[
        Entry | None, "as it is now; removed: as it was, but why it went; null: synced, resumed"
    ] = None
    first_seen: Annotated[
        float | None, "when the client was first seen under its hostname, in Unix seconds"
    ] = None
    renewed: Annotated[
        float | None, "when the lease last changed, or the neighbour was last seen, in Unix seconds"
    ] = None


Wish = Literal["address", "ipv4", "ipv6", "gone"]


class WaitParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `Wait`."""

    name: str
    what: Annotated[
        Wish,
        "address (of either family), ipv4, ipv6, or gone (no address). A link-local address does"
        " not count while a better one may still come",
    ] = "address"
    after: Annotated[
        float | None, "Unix seconds: only a lease that appeared or was renewed later counts"
    ] = None
    timeout: Annotated[
        Annotated[float, msgspec.Meta(ge=0, le=MAX_WAIT)] | None,
        f"seconds, {MAX_WAIT} at most; null: that many",
    ] = None


class WaitReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `Wait`."""

    met: Annotated[bool, "false: the time is over"]
    name: Annotated[str, "the name as programs get it; as asked if it does not answer"]
    addresses: Annotated[list[Address], "those that were waited for, the best first"]
    candidates: Annotated[list[Entry], "all that claim the name now; none: it is unknown"]


class HistoryReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `History`."""

    holdings: list[Holding]


class EventsReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `Events`."""

    events: list[Event]


class NoHistory(msgspec.Struct, frozen=True, kw_only=True):
    """No history is kept, or it cannot be read."""

    why: str


class TooManyWaits(msgspec.Struct, frozen=True, kw_only=True):
    """Too many calls of this user wait (`limits` in leasewatch.toml)."""


class NoSuchName(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing answers to the query; the candidates were refused."""

    query: str
    candidates: list[Entry]


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call; `parameters` are decoded once the method is known."""

    method: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    oneway: bool = False
    """No reply is wanted."""
    more: bool = False
    """A list may come in several replies."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reply; `error` is a full name such as `NO_SUCH_NAME`, its parameters are here too."""

    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    continues: bool = False
    """Another reply to the same call follows."""
    error: str | None = None


def encoded(
    parameters: msgspec.Struct, *, continues: bool = False, error: str | None = None
) -> bytes:
    """One reply; `error` is its full name."""
    raw = msgspec.Raw(msgspec.json.encode(parameters))
    reply = Reply(parameters=raw, continues=continues, error=error)
    return msgspec.json.encode(reply) + b"\0"


def entry(claim: Claim) -> Entry:
    """The claim as the interface shows it."""
    lease = claim.lease
    shown = Entry(
        name=claim.name,
        trust=claim.trust,
        verdict=claim.verdict,
        reason=claim.reason,
        network=claim.network,
        domain=claim.domain,
        address=addresses.text(claim.address) if claim.address is not None else None,
        family=addresses.family(claim.address) if claim.address is not None else None,
        ifindex=claim.ifindex,
        origin="neighbour" if claim.address is not None else None,
        mac=claim.mac,
    )
    if lease is None:
        return shown
    return msgspec.structs.replace(
        shown,
        origin="lease",
        hostname=lease.hostname,
        client_id=lease.client_id,
        iaid=lease.iaid,
        expires=lease.expires or None,
        source=lease.source,
    )


def resolve_reply(
    record: HostRecord, answered: Iterable[HostAddress], candidates: list[Entry]
) -> ResolveReply:
    """What a host record answers with those of its addresses."""
    return ResolveReply(
        name=record.names[0],
        aliases=list(record.names[1:]),
        trust=record.trust,
        pending_until=record.pending_until or None,
        addresses=list(map(answer_address, answered)),
        candidates=candidates,
    )


def answer_address(address: HostAddress) -> Address:
    """The address as the interface shows it."""
    return Address(
        address=addresses.text(address.address),
        family=addresses.family(address.address),
        network=address.network,
        expires=address.expires or None,
        ifindex=address.ifindex,
        origin=address.origin,
    )
