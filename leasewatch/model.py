"""The values that flow through leasewatch (DESIGN.md). Data only: no behaviour."""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from leasewatch.addresses import Address

Trust = Literal["owner", "guest"]
"""Who chose a name: the host's owner (a domain's name) or the guest (DHCP hostname)."""

Origin = Literal["lease", "neighbour"]
"""Where an address comes from: a lease file, or only the kernel's neighbour table."""

Verdict = Literal["published", "pending", "refused", "conflict", "ended", "expired", "unnamed"]
"""The result of a claim. `ended`: a domain of that name left this lease when it ended. `unnamed`:
the lease has no hostname and belongs to no domain."""


class Lease(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One lease, as its file has it. Times are Unix seconds."""

    source: str
    """Path of the lease file."""
    network: str
    address: Address
    expires: int
    """0: never."""
    hwaddr: str | None = None
    """The MAC that the server saw. DHCPv6 servers mostly record none; a DUID proves nothing."""
    hostname: str | None = None
    """The first label of the hostname that the guest sent."""
    client_id: str | None = None
    """Client id (IPv4) or DUID (IPv6)."""
    iaid: int | None = None
    """DHCPv6 only."""


class LeaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """A lease file to watch, and the network whose leases it holds."""

    path: str
    network: str
    suffix: str
    """DNS suffix; hosts are NAME.NETWORK.SUFFIX."""
    kind: str = "settings"
    """Name of its source in `leasewatch.sources.registry`, which knows the format."""
    writer_pid: int = 0
    """The dnsmasq that writes it; 0: not known. While it is dead, vanished leases stay."""
    writer_born: int = 0
    """When that process was started (`daemon.alive.born`); 0: not known."""


class LeaseChange(msgspec.Struct, frozen=True, gc=False):
    """A lease was added (old None), removed (new None) or changed. Times are Unix seconds.

    No two leases have the same `since` or `first_seen`, so these order them strictly. Both are 0
    if the lease did not end, but its file is no longer watched.
    """

    old: Lease | None
    new: Lease | None
    since: float
    """When this client was first seen at this address."""
    first_seen: float
    """When this client was first seen under this hostname. Renewals never change it."""
    renewed: float = math.inf
    """When the file last changed the lease; infinite: not known."""


class Neighbour(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Who has an address on a network's bridge, says the kernel. Times are Unix seconds."""

    network: str
    address: Address
    mac: str
    """Empty: no machine has the address."""
    ifindex: int
    """The bridge's."""
    since: float
    """When this MAC was first seen at the address."""
    seen: float
    """When it was last proven to be there."""
    reachable: bool = True
    """False: the kernel asked for the address and got no answer."""
    known: bool = True
    """Whether a running domain or a lease has, or had, the MAC; guests can make up others."""
    started: float = 0.0
    """When the running domain with this card was started; 0: not known, or no domain."""


class NeighbourChange(msgspec.Struct, frozen=True, gc=False):
    """A neighbour came (old None), went (new None) or changed."""

    old: Neighbour | None
    new: Neighbour | None
    quiet: bool = False
    """It went, but may still be there: e.g. it was silent for long."""


class Nic(msgspec.Struct, frozen=True, gc=False):
    """A domain's network card."""

    network: str
    mac: str
    tap: str = ""
    address: str = ""
    """The IPv4 address that the owner assigned, as text; empty: any that it leases."""


class NetworkState(msgspec.Struct, frozen=True, kw_only=True):
    """A started network: /run/pyvirt/networks/NAME.json, written by `pyvirt network run`."""

    name: str
    bridge: str
    suffix: str
    """DNS suffix, e.g. `internal`; hosts are NAME.NETWORK.SUFFIX."""
    lease_file: str
    """Empty: bridged, so guests get their addresses from others."""
    subnets: tuple[str, ...]
    """CIDRs, e.g. `10.77.0.0/24`, `fd12:…::/64`; none: bridged."""
    pid: int
    """The `pyvirt network run` process."""
    started: float
    born: int = 0
    """When that process was started (`daemon.alive.born`); 0: not known."""
    dnsmasq_pid: int = 0
    """0: not running, or not known."""
    dnsmasq_born: int = 0
    fault: str = ""
    """What was not repaired the last time, and on a second line what to type."""


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """A name that the host's owner gave to network cards, whoever manages the machine."""

    name: str
    nics: tuple[Nic, ...]
    started: float
    """Unix seconds. For a domain that others manage: when its name was written down."""
    pending_until: int
    """Unix seconds; until then lookups of the name wait for a lease, then it is unknown."""
    runs: bool = True
    """False: the manager does not say, so a missing lease means nothing."""
    aliases: tuple[str, ...] = ()
    """Further names with the same answer, as written."""
    start_seen: bool = True
    """False: it ran before the service did, so it started at some time before `started`."""


ARRIVING: Final = "arriving"
"""The `DomainState.state` of a domain whose guest still runs on the host that it comes from."""


class DomainState(Domain, frozen=True, kw_only=True):
    """A running domain: /run/pyvirt/domains/NAME.json, written before QEMU starts."""

    pid: int
    """The `pyvirt domain run` process."""
    born: int = 0
    """When that process was started (`daemon.alive.born`); 0: not known."""
    mac_filtering: bool = True
    """Whether its cards may send only from their own MACs."""
    state: str = "running"
    """`running`, `paused`, `panicked`, `shutting down` or ARRIVING; later versions may add more."""
    why: str = ""
    """Why it does not simply run, in a few words."""
    since: float = 0.0
    """When it got into this state; 0: not known."""


class HostAddress(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One address of a host record."""

    address: Address
    expires: int
    network: str
    ifindex: int = 0
    origin: Origin | None = None
    """None: not known."""


class HostRecord(msgspec.Struct, frozen=True):
    """What some names answer. `names[0]` is canonical; lower case, no final dot.

    `pending_until` in the future: the domain was just started and has no address yet of the
    families in `awaited`.
    """

    names: tuple[str, ...]
    addresses: tuple[HostAddress, ...]
    trust: Trust
    pending_until: int = 0
    awaited: tuple[Literal[4, 6], ...] = ()


class Claim(msgspec.Struct, frozen=True):
    """One candidate for a name, and its result: a row of `list` and `resolve --explain`."""

    name: str | None
    trust: Trust | None
    verdict: Verdict
    reason: str
    """One sentence, e.g. `domain web1 owns this MAC`, `"wpad" is reserved`."""
    network: str
    address: Address | None = None
    """None: a running domain without an address, or an alias that it did not get."""
    lease: Lease | None = None
    """None: no address, or only the neighbour table has it."""
    domain: str | None = None
    mac: str | None = None
    """The MAC that the host saw: the DHCP server, or the bridge."""
    ifindex: int = 0
    """The bridge of an IPv6 link-local address."""
    first_seen: float = 0.0
    """When its client was first seen under its hostname, in Unix seconds; 0: no address."""
    renewed: float = 0.0
    """When its lease last changed, or its neighbour was last seen, in Unix seconds."""
