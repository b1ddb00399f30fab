"""Leases and neighbours by the names that they claim, and whose network card each is at.

It decides nothing: `names.policy` does. An address joins a domain, or another address of the same
guest, through a MAC that the host saw, on the network where it saw it; never through what the guest
said of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from leasewatch.model import Lease, LeaseChange, Neighbour, NeighbourChange
from leasewatch.names import labels
from leasewatch.names.claimants import Held
from leasewatch.names.on_link import Networks, Prefix

_K = TypeVar("_K")

Card = tuple[str, str]
"""Network and MAC. The network matters: a guest elsewhere may send any MAC."""


class Ledger:
    """Every change returns the names to decide anew."""

    def __init__(self) -> None:
        self.owners: Mapping[Card, str] = {}
        """The running domains' cards, and their folded names."""
        self._prefixes: Mapping[str, tuple[Prefix, ...]] = {}
        self._networks: dict[str, Networks] = {}
        """Of the bridges of each network, where they are known."""
        self._neighbours: dict[tuple[str, str], Neighbour] = {}
        """By network and address."""
        self._by_address: dict[str, tuple[Held, ...]] = {}
        self._by_name: dict[str, tuple[Held, ...]] = {}
        self._by_card: dict[Card, tuple[Held, ...]] = {}

    def set_owners(self, owners: Mapping[Card, str]) -> set[str]:
        """The cards of the domains that run now."""
        former, self.owners = self.owners, owners
        touched: set[str] = set()
        for card in former.keys() | owners.keys():
            if former.get(card) != owners.get(card):
                for held in self._by_card.get(card, ()):
                    touched |= self._relink(held)
        return touched

    def set_prefixes(self, prefixes: Mapping[str, tuple[Prefix, ...]]) -> set[str]:
        """The networks that the bridges have now, by the name of ours."""
        former, self._prefixes = self._prefixes, prefixes
        touched: set[str] = set()
        if former != prefixes:
            self._networks = {network: Networks(found) for network, found in prefixes.items()}
            for held in (held for there in self._by_address.values() for held in there):
                off = held.off_link
                self._locate(held)
                touched |= _names(held) if held.off_link != off else set()
        return touched

    def apply(self, changes: Iterable[LeaseChange]) -> set[str]:
        """Take in changes of leases."""
        touched: set[str] = set()
        for change in changes:
            if change.old is not None:
                touched |= self._drop(self._held(change.old))
            if change.new is not None:
                lease = change.new
                held = Held(lease, change.since, change.first_seen, change.renewed)
                held.neighbour = self._neighbours.get((lease.network, lease.address))
                self._locate(held)
                touched |= self._put(held)
            for lease in filter(None, (change.old, change.new)):
                if (lease.network, lease.address) in self._neighbours:
                    touched |= self._show(lease.network, lease.address)
        return touched

    def apply_neighbours(self, changes: Iterable[NeighbourChange]) -> set[str]:
        """Take in changes of the neighbour table."""
        touched: set[str] = set()
        for change in changes:
            if change.old is not None:
                del self._neighbours[change.old.network, change.old.address]
            if change.new is not None:
                self._neighbours[change.new.network, change.new.address] = change.new
            for network, address in {_place(n) for n in (change.old, change.new) if n is not None}:
                touched |= self._look(network, address)
        return touched

    def claiming(self, name: str) -> tuple[Held, ...]:
        """What claims `name` (folded)."""
        return self._by_name.get(name, ())

    def names(self) -> Iterable[str]:
        """Every name that something claims."""
        return self._by_name.keys()

    def at(self, address: str) -> tuple[Held, ...]:
        """What is held of `address` (canonical text) on any network."""
        return self._by_address.get(address, ())

    def of_card(self, card: Card) -> tuple[Held, ...]:
        """What is held at a network card."""
        return self._by_card.get(card, ())

    def all(self) -> Iterator[LeaseChange | Neighbour]:
        """Every lease, as though just added, and what only the neighbour table has.

        Of neighbours those whose MAC is known.
        """
        for of_address in self._by_address.values():
            for held in of_address:
                if held.lease.source:
                    yield LeaseChange(None, held.lease, held.since, held.first_seen, held.renewed)
                elif held.neighbour is not None and held.neighbour.known:
                    yield held.neighbour

    def unclaiming(self) -> Iterator[Held]:
        """The leases that claim no name and belong to no running domain."""
        for of_address in self._by_address.values():
            for held in of_address:
                if held.lease.source and held.owner is None and held.guest is None:
                    yield held

    def _locate(self, held: Held) -> None:
        networks = self._networks.get(held.lease.network)
        held.off_link = (
            networks is not None and held.lease.source != "" and networks.lack(held.lease)
        )

    def _held(self, lease: Lease) -> Held:
        there = self._by_address[lease.address]
        if len(there) == 1:  # as nearly always
            return there[0]
        return next(held for held in there if held.lease.source == lease.source)

    def _look(self, network: str, address: str) -> set[str]:
        """Whom the bridge sees at an address now."""
        touched: set[str] = set()
        for held in self.at(address):
            if held.lease.network == network and held.lease.source:
                touched |= self._see(held, self._neighbours.get((network, address)))
        return touched | self._show(network, address)

    def _see(self, held: Held, neighbour: Neighbour | None) -> set[str]:
        if neighbour is not None and _same(held.neighbour, neighbour):
            rival, held.neighbour = held.rival, neighbour
            return set() if held.rival == rival else _names(held)
        touched = self._drop(held)
        held.neighbour = neighbour
        return touched | self._put(held)

    def _show(self, network: str, address: str) -> set[str]:
        """Hold what the neighbour table alone knows of an address; a lease goes before it."""
        there = [held for held in self.at(address) if held.lease.network == network]
        shown = next((held for held in there if not held.lease.source), None)
        leased = any(held.lease.source for held in there)
        neighbour = self._neighbours.get((network, address))
        if leased or (neighbour is not None and not neighbour.mac):
            neighbour = None
        if shown is not None and neighbour is not None and _same(shown.neighbour, neighbour):
            shown.neighbour = neighbour
            return set()
        touched = self._drop(shown) if shown is not None else set()
        if neighbour is not None:
            touched |= self._put(_of_neighbour(neighbour))
        return touched

    def _put(self, held: Held) -> set[str]:
        card = card_of(held)
        _add(self._by_address, held.lease.address, held)
        if card[1]:
            _add(self._by_card, card, held)
        touched = self._link(held)
        self._relink_followers(held, card, touched)
        return touched

    def _drop(self, held: Held) -> set[str]:
        card = card_of(held)
        touched = self._unlink(held)
        _take(self._by_address, held.lease.address, held)
        if card[1]:
            _take(self._by_card, card, held)
        self._relink_followers(held, card, touched)
        return touched

    def _relink_followers(self, held: Held, card: Card, touched: set[str]) -> None:
        """Decide anew whose name the other leases and addresses of the card go by."""
        if held.lease.hostname is not None and card[1]:
            for other in self._by_card.get(card, ()):
                if other is not held and _follows(other):
                    touched |= self._relink(other)

    def _relink(self, held: Held) -> set[str]:
        return self._unlink(held) | self._link(held)

    def _link(self, held: Held) -> set[str]:
        held.owner = self.owners.get(card_of(held)) if held.mac else None
        named = self._named(held) if _follows(held) else held
        hostname, held.claimed = named.lease.hostname, named.first_seen
        held.guest = labels.fold(hostname) if hostname else None
        names = _names(held)
        for name in names:
            _add(self._by_name, name, held)
        return names

    def _named(self, held: Held) -> Held:
        """Whose hostname a lease or address goes by whose MAC only the bridge tells.

        That of its card's newest lease whose MAC the server recorded; else its own, which another
        machine of the same DUID may have given; else that of its card's newest named lease.
        """
        named = [h for h in self.of_card(card_of(held)) if h.lease.hostname is not None]
        recorded = [h for h in named if h.lease.hwaddr is not None]
        if not recorded and held.lease.hostname is not None:
            return held
        return max(recorded or named, key=lambda h: h.first_seen, default=held)

    def _unlink(self, held: Held) -> set[str]:
        names = _names(held)
        for name in names:
            _take(self._by_name, name, held)
        return names


def _names(held: Held) -> set[str]:
    return {name for name in (held.owner, held.guest) if name is not None}


def card_of(held: Held) -> Card:
    """The network card that it is at; its MAC is empty where nobody saw one."""
    return held.lease.network, held.mac


def _place(neighbour: Neighbour) -> tuple[str, str]:
    return neighbour.network, neighbour.address


def _follows(held: Held) -> bool:
    return held.lease.hwaddr is None and held.mac != ""


def _same(former: Neighbour | None, now: Neighbour) -> bool:
    """Whether the same card is there and answers, or does not, as before."""
    return former is not None and _matter(former) == _matter(now)


def _matter(neighbour: Neighbour) -> tuple[object, ...]:
    return neighbour.mac, neighbour.ifindex, neighbour.reachable, neighbour.known


def _of_neighbour(neighbour: Neighbour) -> Held:
    lease = Lease(
        source="",
        network=neighbour.network,
        address=neighbour.address,
        family=neighbour.family,
        expires=0,
    )
    return Held(lease, neighbour.since, neighbour.since, neighbour.seen, neighbour)


def _add(index: dict[_K, tuple[Held, ...]], key: _K, held: Held) -> None:
    index[key] = (*index.get(key, ()), held)


def _take(index: dict[_K, tuple[Held, ...]], key: _K, held: Held) -> None:
    rest = tuple(other for other in index[key] if other is not held)
    if rest:
        index[key] = rest
    else:
        del index[key]
