"""The Varlink interface `org.pyvirt.LeaseWatch`: its description and the messages of both sides.

Data only: it opens no socket. A message is JSON and a NUL byte (https://varlink.org/Method-Call).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from leasewatch import addresses
from leasewatch.history.rows import Event, Holding
from leasewatch.model import Claim, HostAddress, Origin, Trust, Verdict

NAME: Final = "org.pyvirt.LeaseWatch"
SERVICE_NAME: Final = "org.varlink.service"

LIST: Final = f"{NAME}.List"
RESOLVE: Final = f"{NAME}.Resolve"
SOURCES: Final = f"{NAME}.Sources"
HISTORY: Final = f"{NAME}.History"
EVENTS: Final = f"{NAME}.Events"
NO_SUCH_NAME: Final = f"{NAME}.NoSuchName"
NO_HISTORY: Final = f"{NAME}.NoHistory"
GET_INFO: Final = f"{SERVICE_NAME}.GetInfo"
GET_INTERFACE_DESCRIPTION: Final = f"{SERVICE_NAME}.GetInterfaceDescription"
INTERFACE_NOT_FOUND: Final = f"{SERVICE_NAME}.InterfaceNotFound"
METHOD_NOT_FOUND: Final = f"{SERVICE_NAME}.MethodNotFound"
INVALID_PARAMETER: Final = f"{SERVICE_NAME}.InvalidParameter"

MAX_CALL: Final = 64 * 1024
"""Bytes of one call at most, NUL included; replies are not limited."""

DESCRIPTION: Final = """\
# The leases of the virtual machines on this host and the names they answer to
interface org.pyvirt.LeaseWatch

# One candidate for a name: a lease, what the bridge's neighbour table alone knows, or a running
# domain without address; and what became of it
type Entry (
  # the name it answers to or claims, null if it has none
  name: ?string,
  # who vouches for the name: owner or guest
  trust: ?string,
  # published, pending, refused, conflict, ended, expired or unnamed
  verdict: string,
  # why, in one sentence
  reason: string,
  network: string,
  domain: ?string,
  # null: a running domain that has no lease yet, or an alias that it did not get
  address: ?string,
  # 4 or 6
  family: ?int,
  # the interface of a link-local address, else 0
  ifindex: int,
  # how the address is known: lease or neighbour; null where there is none, or nobody to tell
  origin: ?string,
  # the hardware address that the host saw: the DHCP server, or the bridge
  mac: ?string,
  # what the guest said
  hostname: ?string,
  # client id or DUID
  client_id: ?string,
  iaid: ?int,
  # Unix seconds, null: never, or no lease
  expires: ?int,
  # the lease file, null for a neighbour
  source: ?string
)

type Address (
  address: string,
  family: int,
  network: string,
  # Unix seconds, null: never
  expires: ?int,
  # the interface of a link-local address, else 0
  ifindex: int,
  # lease or neighbour; null: not known, without the service
  origin: ?string
)

# A lease file, or what a kind of DHCP server has to say in place of one
type Source (
  # pyvirt, settings (the files named there), libvirt, incus, …
  source: string,
  # watched, unreadable, absent (nothing of it is there) or off (by the settings)
  state: string,
  path: ?string,
  network: ?string,
  # that hold
  leases: ?int,
  # when the file was written last, Unix seconds
  modified: ?float,
  # what is or was last wrong, and what helps
  error: ?string,
  hint: ?string
)

# A client's time at an address under one hostname
type Holding (
  # the domain's, else the guest's hostname unless it was refused
  name: ?string,
  network: string,
  address: string,
  mac: ?string,
  # Unix seconds
  since: float,
  # null: it holds
  until: ?float,
  # expired, released, renamed, replaced (by another client), withdrawn (the file is watched no
  # longer), missed (gone, unseen); or of a neighbour gone (its domain ended, nobody or another MAC
  # answers there) or quiet (not heard of, one too many of its MAC, or its bridge or prefix went; it
  # holds on if it is seen within a day)
  ended: ?string,
  # how the guest's claim to a name failed last
  claim: ?string,
  domain: ?string,
  hostname: ?string,
  client_id: ?string,
  # the end of the lease as it was known last, null: never
  expires: ?int,
  # lease, or neighbour: the bridge saw the MAC there, and no lease had the address
  origin: string
)

# Something that happened to a holding
type Event (
  # never given out twice
  seq: int,
  time: float,
  # added, seen (by the bridge), named (it is a domain's), refused, conflict, published (a claim
  # that had failed holds), what ends a holding other than quiet, or lost
  kind: string,
  name: ?string,
  # null: of no holding, or of one that is forgotten
  network: ?string,
  address: ?string,
  mac: ?string,
  why: ?string,
  domain: ?string,
  hostname: ?string,
  client_id: ?string
)

# Where leases come from
method Sources() -> (sources: []Source)

# Every candidate, and the generation of the published host table
method List() -> (entries: []Entry, generation: int)

# What a name (any case, a final dot is allowed) or an address answers
method Resolve(query: string) -> (
  name: string,
  aliases: []string,
  trust: string,
  # Unix seconds: the domain has been started and may have its first address (if it has IPv4, its
  # first global IPv6 address) until then
  pending_until: ?int,
  addresses: []Address,
  candidates: []Entry
)

# Who held which address when, the newest first. query: a name, an address or a MAC; null: all.
# since: Unix seconds; what had ended by then is left out. limit: 100000 at most, null: so many
method History(query: ?string, since: ?float, limit: ?int) -> (holdings: []Holding)

# What happened, likewise
method Events(query: ?string, since: ?float, limit: ?int) -> (events: []Event)

# No history is kept, or it cannot be read
error NoHistory (why: string)

# Nothing answers; candidates were refused
error NoSuchName (query: string, candidates: []Entry)
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A `leasewatch.model.Claim`, flattened; the fields are those of `type Entry`."""

    name: str | None
    trust: Trust | None
    verdict: Verdict
    reason: str
    network: str
    domain: str | None = None
    address: str | None = None
    family: int | None = None
    ifindex: int = 0
    origin: Origin | None = None
    mac: str | None = None
    hostname: str | None = None
    client_id: str | None = None
    iaid: int | None = None
    expires: int | None = None
    source: str | None = None


class SourceEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of `Sources`; the fields are those of `type Source`."""

    source: str
    state: Literal["watched", "unreadable", "absent", "off"]
    path: str | None = None
    network: str | None = None
    leases: int | None = None
    modified: float | None = None
    error: str | None = None
    hint: str | None = None


class SourcesReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `Sources`."""

    sources: list[SourceEntry]


class Address(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An answer's address; the fields are those of `type Address`."""

    address: str
    family: int
    network: str
    expires: int | None = None
    ifindex: int = 0
    origin: Origin | None = None


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
    trust: Trust
    pending_until: int | None
    addresses: list[Address]
    candidates: list[Entry]


class HistoryReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `History`."""

    holdings: list[Holding]


class EventsReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `Events`."""

    events: list[Event]


class NoHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the error `NoHistory`."""

    why: str


class NoSuchName(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the error `NoSuchName`."""

    query: str
    candidates: list[Entry]


class Call(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call; `parameters` are decoded once the method is known."""

    method: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    oneway: bool = False
    more: bool = False


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reply; `error` is a full name such as `NO_SUCH_NAME`, its parameters are here too."""

    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    error: str | None = None


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


def answer_address(address: HostAddress) -> Address:
    """An address of a host record as the interface shows it."""
    return Address(
        address=addresses.text(address.address),
        family=addresses.family(address.address),
        network=address.network,
        expires=address.expires or None,
        ifindex=address.ifindex,
        origin=address.origin,
    )
