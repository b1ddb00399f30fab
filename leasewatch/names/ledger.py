"""Every address that is leased or seen, by address, by name and by network card.

An address is attributed to a domain, or to a guest with another address, only by a MAC that the
host saw on that network. A guest's own words prove nothing. `names.policy` decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeVar

import msgspec

from leasewatch.addresses import Address, has_scope
from leasewatch.model import Claim, Lease, LeaseChange, Neighbour, NeighbourChange, Trust, Verdict
from leasewatch.names import labels
from leasewatch.names.on_link import Networks, Prefix

_K = TypeVar("_K")

Card = tuple[str, str]
"""Network and MAC. A guest on another network may use any MAC."""


_AT_ONCE: Final = 0.001
"""Seconds between the two times of a lease that came with its hostname."""


class Held(msgspec.Struct, eq=False, gc=False):
    """An address on a network. At least one of `lease` and `neighbour` is there."""

    network: str
    address: Address
    lease: Lease | None
    """None: only the neighbour table has the address."""
    neighbour: Neighbour | None
    """The machine that the bridge sees at the address."""
    since: float
    first_seen: float
    renewed: float
    """These three as in `LeaseChange`; without a lease those of the neighbour."""
    mac: str = ""
    """The MAC that the host saw: the DHCP server, else the bridge. Empty: neither did."""
    owner: str | None = None
    """Folded name of the running domain that has a card with this MAC."""
    guest: str | None = None
    """The claimed hostname, folded: its own or that of its card's lease. It may be improper."""
    claimed: float = 0.0
    """When the client first appeared under the claimed hostname, Unix seconds."""
    off_link: bool = False
    """No network of its bridge contains the address."""

    def names(self) -> set[str]:
        """The names that it claims."""
        return {name for name in (self.owner, self.guest) if name is not None}

    def claim(self, name: str | None, trust: Trust | None, verdict: Verdict, reason: str) -> Claim:
        """Its claim to `name`, decided."""
        return Claim(
            name,
            trust,
            verdict,
            reason,
            self.network,
            address=self.address,
            lease=self.lease,
            domain=self.owner,
            mac=self.mac or None,
            ifindex=self.ifindex,
            first_seen=self.first_seen,
            renewed=self.renewed if self.lease or not self.neighbour else self.neighbour.seen,
        )

    @property
    def is_recorded(self) -> bool:
        """Whether the DHCP server recorded the MAC. For DHCPv6 it mostly does not."""
        return self.lease is not None and self.lease.hwaddr is not None

    @property
    def hostname(self) -> str | None:
        """The hostname of its own lease."""
        return self.lease.hostname if self.lease is not None else None

    @property
    def ifindex(self) -> int:
        """The interface of an IPv6 link-local address (RFC 4007), else 0."""
        return self.neighbour.ifindex if self.neighbour and has_scope(self.address) else 0

    @property
    def is_seen(self) -> bool:
        """Whether its MAC answers at the address."""
        seen = self.neighbour
        return seen is not None and seen.reachable and seen.mac == self.mac

    @property
    def is_renamed(self) -> bool:
        """Whether its client changed the hostname while it had the address."""
        return self.first_seen - self.since > _AT_ONCE

    @property
    def rival(self) -> str:
        """Another MAC that has answered at the address since it was leased; mostly empty."""
        seen = self.neighbour
        if seen is None or not self.is_recorded or not seen.reachable or seen.seen <= self.since:
            return ""
        return "" if seen.mac == self.mac else seen.mac


class Ledger:
    """Each method that changes it returns the names to decide again."""

    def __init__(self) -> None:
        self.owners: Mapping[Card, str] = {}
        """Folded name of the running domain, by card."""
        self.by_name: dict[str, tuple[Held, ...]] = {}
        """By folded name. This and the next two are read-only for others."""
        self.by_address: dict[Address, tuple[Held, ...]] = {}
        self.by_card: dict[Card, tuple[Held, ...]] = {}
        self._prefixes: Mapping[str, tuple[Prefix, ...]] = {}
        self._networks: dict[str, Networks] = {}
        """By network, where known."""
        self._neighbours: dict[tuple[str, Address], Neighbour] = {}
        """By network and address."""

    def set_owners(self, owners: Mapping[Card, str]) -> set[str]:
        """The cards of the domains that run now."""
        former, self.owners = self.owners, owners
        touched: set[str] = set()
        for card in former.keys() | owners.keys():
            if former.get(card) != owners.get(card):
                for held in self.by_card.get(card, ()):
                    touched |= self._unlink(held) | self._link(held)
        return touched

    def set_prefixes(self, prefixes: Mapping[str, tuple[Prefix, ...]]) -> set[str]:
        """The prefixes of the bridges, by network."""
        former, self._prefixes = self._prefixes, prefixes
        touched: set[str] = set()
        if former != prefixes:
            self._networks = {network: Networks(found) for network, found in prefixes.items()}
            for held in self._all():
                networks = self._networks.get(held.network) if held.lease is not None else None
                off_link = networks is not None and networks.lack(held.address)
                touched |= held.names() if held.off_link != off_link else set()
                held.off_link = off_link
        return touched

    def apply(self, changes: Iterable[LeaseChange]) -> set[str]:
        """Apply changes of leases."""
        touched: set[str] = set()
        for change in changes:
            if change.old is not None:
                touched |= self._remove(self._of_lease(change.old))
            new = change.new
            if new is not None:
                since, first_seen, renewed = change.since, change.first_seen, change.renewed
                held = Held(new.network, new.address, new, None, since, first_seen, renewed)
                networks = self._networks.get(new.network)
                held.off_link = networks is not None and networks.lack(new.address)
                touched |= self._add(held, self._neighbours.get((new.network, new.address)))
            for lease in (change.old, new):
                if lease is not None and (lease.network, lease.address) in self._neighbours:
                    touched |= self._show_neighbour(lease.network, lease.address)
        return touched

    def apply_neighbours(self, changes: Iterable[NeighbourChange]) -> set[str]:
        """Apply changes of the neighbour table."""
        touched: set[str] = set()
        for old, new in ((change.old, change.new) for change in changes):
            if old is not None:
                del self._neighbours[old.network, old.address]
            if new is not None:
                self._neighbours[new.network, new.address] = new
            places = {(n.network, n.address) for n in (old, new) if n is not None}
            for network, address in places:
                for held in self.by_address.get(address, ()):
                    if held.lease is not None and held.network == network:
                        touched |= self._see(held, self._neighbours.get((network, address)))
                touched |= self._show_neighbour(network, address)
        return touched

    def current(self) -> Iterator[LeaseChange | Neighbour]:
        """Each lease as if just added, and each known neighbour at an address without lease."""
        for held in self._all():
            if held.lease is not None:
                yield LeaseChange(None, held.lease, held.since, held.first_seen, held.renewed)
            elif held.neighbour is not None and held.neighbour.known:
                yield held.neighbour

    def unclaiming(self, address: Address | None = None) -> Iterator[Held]:
        """The leases, at `address` if given, that claim no name and belong to no domain."""
        for held in self._all() if address is None else self.by_address.get(address, ()):
            if held.lease is not None and held.owner is None and held.guest is None:
                yield held

    def _all(self) -> Iterator[Held]:
        return (held for there in self.by_address.values() for held in there)

    def _of_lease(self, lease: Lease) -> Held:
        there = self.by_address[lease.address]
        if len(there) == 1:  # common
            return there[0]
        return next(h for h in there if h.lease is not None and h.lease.source == lease.source)

    def _see(self, held: Held, neighbour: Neighbour | None) -> set[str]:
        """Set the machine that the bridge sees at the address of a lease."""
        if neighbour is not None and _is_same(held.neighbour, neighbour):
            rival, held.neighbour = held.rival, neighbour
            return set() if held.rival == rival else held.names()
        return self._remove(held) | self._add(held, neighbour)

    def _show_neighbour(self, network: str, address: Address) -> set[str]:
        """Hold a neighbour if no lease has its address."""
        there = [held for held in self.by_address.get(address, ()) if held.network == network]
        shown = next((held for held in there if held.lease is None), None)
        neighbour = self._neighbours.get((network, address))
        is_leased = any(held.lease is not None for held in there)
        if is_leased or (neighbour is not None and not neighbour.mac):
            neighbour = None
        if shown is not None and neighbour is not None and _is_same(shown.neighbour, neighbour):
            shown.neighbour = neighbour
            return set()
        touched = self._remove(shown) if shown is not None else set()
        if neighbour is not None:
            since, seen = neighbour.since, neighbour.seen
            held = Held(network, address, None, None, since, since, seen)
            touched |= self._add(held, neighbour)
        return touched

    def _add(self, held: Held, neighbour: Neighbour | None) -> set[str]:
        """Add it with the machine that the bridge sees at the address."""
        recorded = held.lease.hwaddr if held.lease is not None else None
        held.mac = recorded or (neighbour.mac if neighbour is not None else "")
        held.neighbour = neighbour
        _insert(self.by_address, held.address, held)
        if held.mac:
            _insert(self.by_card, (held.network, held.mac), held)
        return self._link(held) | self._relink_followers(held)

    def _remove(self, held: Held) -> set[str]:
        touched = self._unlink(held)
        _discard(self.by_address, held.address, held)
        if held.mac:
            _discard(self.by_card, (held.network, held.mac), held)
        return touched | self._relink_followers(held)

    def _relink_followers(self, held: Held) -> set[str]:
        """Work out again which hostname the other addresses of its card claim."""
        touched: set[str] = set()
        if held.mac and held.lease is not None and held.lease.hostname is not None:
            for other in self.by_card.get((held.network, held.mac), ()):
                if other is not held and not other.is_recorded:
                    touched |= self._unlink(other) | self._link(other)
        return touched

    def _link(self, held: Held) -> set[str]:
        """Work out which names the address claims, and note them."""
        lease, named = held.lease, held
        if held.mac and (lease is None or lease.hwaddr is None):
            named = self._named(held)
        hostname = named.lease.hostname if named.lease is not None else None
        held.owner = self.owners.get((held.network, held.mac)) if held.mac else None
        held.guest = labels.fold(hostname) if hostname else None
        held.claimed = named.first_seen
        names = held.names()
        for name in names:
            _insert(self.by_name, name, held)
        return names

    def _unlink(self, held: Held) -> set[str]:
        names = held.names()
        for name in names:
            _discard(self.by_name, name, held)
        return names

    def _named(self, held: Held) -> Held:
        """The lease whose hostname an address claims if only the bridge saw its MAC.

        The newest lease of its card with a recorded MAC. Without one: its own lease, whose
        hostname may come from another machine with the same DUID. Else the newest named lease.
        """
        of_card = self.by_card.get((held.network, held.mac), ())
        named = [one for one in of_card if one.hostname is not None]
        recorded = [one for one in named if one.is_recorded]
        if not recorded and held.hostname is not None:
            return held
        return max(recorded or named, key=lambda one: one.first_seen, default=held)


def _is_same(former: Neighbour | None, now: Neighbour) -> bool:
    """Whether the same card is there and answers, or does not, as before."""
    return former is not None and (
        (former.mac, former.ifindex, former.reachable, former.known)
        == (now.mac, now.ifindex, now.reachable, now.known)
    )


def _insert(index: dict[_K, tuple[Held, ...]], key: _K, held: Held) -> None:
    index[key] = (*index.get(key, ()), held)


def _discard(index: dict[_K, tuple[Held, ...]], key: _K, held: Held) -> None:
    rest = tuple(other for other in index[key] if other is not held)
    if rest:
        index[key] = rest
    else:
        del index[key]
