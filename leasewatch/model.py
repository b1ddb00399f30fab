"""The values that flow through leasewatch (DESIGN.md). Data only: no behaviour."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from leasewatch.addresses import Address

Trust = Literal["owner", "guest"]
"""Who vouches for a name: the host's owner (a domain's name) or the guest (DHCP hostname)."""

Origin = Literal["lease", "neighbour"]
"""How an address is known: from a lease file, or from the kernel's neighbour table alone."""

Verdict = Literal["published", "pending", "refused", "conflict", "ended", "expired", "unnamed"]
"""What became of a claim; `ended`: a lease that a domain of that name held when it ended,
`unnamed`: one with no hostname that belongs to no domain."""


class Lease(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One lease as its file says it. Times are Unix seconds; `expires` 0 means never.

    `hwaddr` is lower case, colon-separated, and for DHCPv6 there only where the server recorded
    what it saw (libvirt's does): a DUID proves nothing;
    `hostname` is the first label of what the guest calls itself; `client_id` holds the client id
    (IPv4) or DUID (IPv6); `iaid` is set for DHCPv6 alone.
    """

    source: str
    """Path of the lease file."""
    network: str
    address: Address
    expires: int
    hwaddr: str | None = None
    hostname: str | None = None
    client_id: str | None = None
    iaid: int | None = None


class LeaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """A lease file to watch, and the network whose leases it holds."""

    path: str
    network: str
    suffix: str
    """DNS suffix; hosts are NAME.NETWORK.SUFFIX."""
    kind: str = "settings"
    """Name of its source in `leasewatch.sources.registry`, which tells how it is read."""
    writer_pid: int = 0
    """The dnsmasq that writes it, 0: unknown. While it is dead, vanished leases stay."""
    writer_born: int = 0
    """When that was started (`io.alive.born`); 0: not known."""


class LeaseChange(msgspec.Struct, frozen=True, gc=False):
    """One difference of the tracked leases: added (old None), removed (new None) or changed.

    Times are Unix seconds. The first two are each given out only once: they order leases strictly.
    Both 0: the lease did not end, its file is watched no longer.
    """

    old: Lease | None
    new: Lease | None
    since: float
    """When this client was first seen at this address."""
    first_seen: float
    """When this client was first seen under this hostname: renewals never change it."""
    renewed: float = math.inf
    """When the file last changed what it says of the lease; infinite: not known."""


class Neighbour(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Whom the kernel sees at an address of a network's bridge. Times are Unix seconds."""

    network: str
    address: Address
    mac: str
    """Lower case, colon-separated; empty: nobody is there."""
    ifindex: int
    """Of the bridge."""
    since: float
    """When this MAC was first seen at the address."""
    seen: float
    """When it last proved to be there."""
    reachable: bool = True
    """False: the kernel has asked for the address in vain."""
    known: bool = True
    """Whether the MAC is, or was, a running domain's or a lease's; guests can make up others."""
    started: float = 0.0
    """When the running domain was started whose card it is; 0: not known, or no such domain's."""


class NeighbourChange(msgspec.Struct, frozen=True, gc=False):
    """One difference of the neighbours: come (old None), gone (new None) or changed."""

    old: Neighbour | None
    new: Neighbour | None
    quiet: bool = False
    """It went, and nothing says that nobody is there: it was not heard of for long, say."""


class Nic(msgspec.Struct, frozen=True, gc=False):
    """A domain's network interface; `mac` is lower case, colon-separated."""

    network: str
    mac: str
    tap: str = ""
    address: str = ""
    """The IPv4 address that is this card's alone; empty: whichever it leases."""


class NetworkState(msgspec.Struct, frozen=True, kw_only=True):
    """A started network: /run/pyvirt/networks/NAME.json, written by `pyvirt network run`."""

    name: str
    bridge: str
    suffix: str
    """DNS suffix, e.g. `internal`; hosts are NAME.NETWORK.SUFFIX."""
    lease_file: str
    subnets: tuple[str, ...]
    """CIDRs, e.g. `10.77.0.0/24`, `fd12:…::/64`."""
    pid: int
    """The `pyvirt network run` process."""
    started: float
    born: int = 0
    """When that process was started (`io.alive.born`); 0: not known."""
    dnsmasq_pid: int = 0
    """0: not running, or not known."""
    dnsmasq_born: int = 0
    fault: str = ""
    """What was not mended the last time, and on a second line what to type."""


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """A name that the host's owner gave to network cards, whoever manages the machine."""

    name: str
    nics: tuple[Nic, ...]
    started: float
    """Unix seconds; of a domain that others manage: when the host wrote its name down."""
    pending_until: int
    """Unix seconds; until then look-ups of the name wait for a lease, then it is unknown."""
    runs: bool = True
    """False: the manager does not tell, so a missing lease means nothing."""
    aliases: tuple[str, ...] = ()
    """Further names that answer what `name` does, as they are written."""
    start_seen: bool = True
    """False: it was there before anybody looked, so it started at any time before `started`."""


class DomainState(Domain, frozen=True, kw_only=True):
    """A running domain: /run/pyvirt/domains/NAME.json, written before QEMU starts."""

    pid: int
    """The `pyvirt domain run` process."""
    born: int = 0
    """When that process was started (`io.alive.born`); 0: not known."""
    mac_filtering: bool = True
    """Whether its cards may send from their own MACs alone."""


class HostAddress(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One address of a host record; `ifindex` only for link-local ones."""

    address: Address
    expires: int
    network: str
    ifindex: int = 0
    origin: Origin | None = None
    """None: not known."""


class HostRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one name answers. `names[0]` is canonical, aliases follow; lower case, no final dot.

    `pending_until` in the future: the domain was started a moment ago and has no address yet of
    the families in `awaited`.
    """

    names: tuple[str, ...]
    addresses: tuple[HostAddress, ...]
    trust: Trust
    pending_until: int = 0
    awaited: tuple[Literal[4, 6], ...] = ()


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate for a name, and what became of it: a row of `list`, `resolve --explain`."""

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
