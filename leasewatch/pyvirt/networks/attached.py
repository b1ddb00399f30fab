"""Who is at a network's bridge: its ports, their guests and addresses. For any user.

Addresses come from the lease file, and from the kernel's neighbour table where no lease says them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from leasewatch import addresses
from leasewatch.files import run_states
from leasewatch.model import DomainState, Lease, Nic
from leasewatch.neighbours import kernel
from leasewatch.neighbours.table import VALID, Sighting
from leasewatch.paths import Paths
from leasewatch.pyvirt.files import tap_owners
from leasewatch.pyvirt.networks import dhcp_leases


class Held(NamedTuple):
    """An address of a guest."""

    address: str
    mac: str | None
    hostname: str | None
    expires: int | None
    """Unix seconds; None: never, or there is no lease."""
    is_leased: bool


class Port(NamedTuple):
    """An interface that is attached to the bridge."""

    port: str
    domain: str | None
    """None: it belongs to no domain of pyvirt."""
    mac: str | None
    """The guest's."""
    held: list[Held]


class Attached(NamedTuple):
    """What a bridge carries."""

    ports: list[Port]
    others: list[Held]
    """Addresses of no domain's card: of other machines, or of guests that have ended."""

    def rows(self) -> dict[str, list[dict[str, object]]]:
        """The same for JSON."""
        ports: list[dict[str, object]] = [
            {"port": p.port, "domain": p.domain, "mac": p.mac, "addresses": _rows(p.held)}
            for p in self.ports
        ]
        return {"ports": ports, "others": _rows(self.others)}


def look(paths: Paths, network: str, bridge: str) -> Attached | None:
    """What the bridge carries now; None: there is no such bridge."""
    links = kernel.links()
    if bridge not in links:
        return None
    number = links[bridge].number
    ports = [name for name, link in links.items() if link.master == number]
    leases: list[Lease] = []
    seen = kernel.neighbours(number)
    try:
        leases = dhcp_leases.read(paths, network)
        seen = [one for one in seen if not one.may_be_offer()]
    except OSError:  # a bridged network: no DHCP server of this host makes offers there
        pass
    owners = tap_owners(run_states.read_all(paths.domain_runs, DomainState))
    return attached(ports, owners, leases, seen)


def attached(
    ports: Collection[str],
    owners: Mapping[str, tuple[DomainState, Nic]],
    leases: Iterable[Lease],
    sightings: Iterable[Sighting],
) -> Attached:
    """Give each address to the port whose card has its MAC. `sightings` are the bridge's.

    A link-local address is omitted: it means nothing without its interface.
    """
    seen = {s.address: s for s in sightings if s.mac and s.state & VALID}
    held = {lease.address: _leased(lease, seen) for lease in leases}
    for address, sighting in seen.items():
        if address not in held and not addresses.is_link_local(address):
            held[address] = Held(addresses.text(address), sighting.mac, None, None, is_leased=False)
    by_mac: dict[str | None, list[Held]] = {}
    for address in sorted(held, key=lambda one: (len(one), one)):
        by_mac.setdefault(held[address].mac, []).append(held[address])
    found = [_port(port, owners, by_mac) for port in sorted(ports, key=lambda p: (len(p), p))]
    return Attached(found, [one for left in by_mac.values() for one in left])


def _port(
    port: str,
    owners: Mapping[str, tuple[DomainState, Nic]],
    by_mac: dict[str | None, list[Held]],
) -> Port:
    """The port, with the addresses that it takes out of `by_mac`."""
    if port not in owners:
        return Port(port, None, None, [])
    domain, nic = owners[port]
    return Port(port, domain.name, nic.mac, by_mac.pop(nic.mac, []))


def _leased(lease: Lease, seen: Mapping[bytes, Sighting]) -> Held:
    """A DHCPv6 lease has no MAC in the file; the bridge has seen it."""
    mac = lease.hwaddr
    if mac is None and lease.address in seen:
        mac = seen[lease.address].mac
    text, expires = addresses.text(lease.address), lease.expires or None
    return Held(text, mac, lease.hostname, expires, is_leased=True)


def _rows(held: Iterable[Held]) -> list[dict[str, object]]:
    return [
        {
            "address": one.address,
            "mac": one.mac,
            "hostname": one.hostname,
            "expires": one.expires,
            "from": "lease" if one.is_leased else "neighbour",
        }
        for one in held
    ]
