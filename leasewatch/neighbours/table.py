"""Decides from the kernel's entries who has an address. The page of this room says what counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from leasewatch.addresses import Address, has_scope
from leasewatch.model import Domain, Neighbour, NeighbourChange
from leasewatch.neighbours.links import Link

# linux/neighbour.h
REACHABLE, STALE, DELAY, PROBE, FAILED, PERMANENT = 0x02, 0x04, 0x08, 0x10, 0x20, 0x80
VALID: Final = REACHABLE | STALE | DELAY | PROBE | PERMANENT

MAX_OF_CARD: Final = 16
"""Addresses of one MAC. A guest can make thousands…"""
SETTLED_SECONDS: Final = 60.0
"""…but a newer one does not push out an address that was proven so recently."""
FAILED_SECONDS: Final = 60.0
"""After so long without an answer an address is gone."""
DOUBT_SECONDS: Final = 90.0
"""How long the kernel is asked for proof of a card that gave a lease back."""
ASK_SECONDS: Final = 3600.0
"""After so long without proof an address is asked for…"""
MAX_AGE: Final = 24 * 3600.0
"""…and after so long it is gone."""
_SLACK: Final = 0.5
"""The kernel gives ages in hundredths of a second, and a little late."""


class Sighting(NamedTuple):
    """An entry of the kernel's table, from one of its messages (rtnetlink(7), ndmsg)."""

    ifindex: int
    address: Address
    state: int
    """0: deleted."""
    mac: str
    """Empty: none."""
    confirmed: float
    """Seconds since the last proof."""

    def may_be_offer(self) -> bool:
        """Whether a DHCP server may have made the entry, before the guest has the address.

        dnsmasq does (SIOCSARP). The entry looks like that of a guest that asks for the host's MAC.
        """
        return self.state == STALE and len(self.address) == 4


class _Entry(msgspec.Struct, eq=False, gc=False):
    neighbour: Neighbour
    proved: float
    """Monotonic time of the last proof, or the time after which proof is needed."""
    in_kernel: bool = True
    hidden: bool = False
    """Not proved: from before the domain's start or end, or from a DHCP server."""
    failed: float = 0.0
    """Since when it does not answer, monotonic; 0: it answers."""
    asked: float = 0.0
    doubted: float = 0.0
    """When its card gave a lease back, monotonic, without proof since; 0: never."""


class Moment(NamedTuple):
    """One moment on two clocks."""

    now: float
    """Monotonic."""
    wall: float
    """Unix seconds."""


Changes = list[NeighbourChange]
_Key = tuple[int, Address]
"""Bridge and address."""


class NeighbourTable:
    """The changes that its methods return are done already.

    `knows(network, mac)`: whether a running domain or a lease has the MAC. Entries of other MACs
    are kept only as long as the kernel keeps them.
    """

    def __init__(self, knows: Callable[[str, str], bool]) -> None:
        self._knows = knows
        self._links: dict[int, Link] = {}
        self.leased: frozenset[str] = frozenset()
        """The networks whose DHCP leases are watched."""
        self._entries: dict[_Key, _Entry] = {}
        self._of_card: defaultdict[tuple[str, str], set[_Key]] = defaultdict(set)
        """By network and MAC."""
        self._started: dict[tuple[str, str], tuple[float, float]] = {}
        """By card of a running domain: its start, Unix seconds (0: not known) and monotonic."""

    def set_links(self, links: Iterable[Link]) -> Changes:
        """Set the bridges; entries on others, or outside their bridge's networks, go."""
        self._links = {link.ifindex: link for link in links}
        gone = [key for key, entry in self._entries.items() if not self._fits(key, entry)]
        return [change for key in gone for change in self._remove(key, quiet=True)]

    def set_domains(self, domains: Iterable[Domain], at: Moment) -> Changes:
        """Set the running domains.

        What was seen of a card before its domain started or ended must prove itself again. If
        the start was not seen, everything counts.
        """
        former = self._started
        running = ((d.started if d.start_seen else 0.0, d.nics) for d in domains if d.runs)
        started = {(nic.network, nic.mac): start for start, nics in running for nic in nics}
        self._started = {
            card: (start, at.now - (at.wall - start)) for card, start in started.items()
        }
        changes: Changes = []
        for card in former.keys() - self._started.keys():
            changes += self._hide_older(card, at.now)
        for card, (start, since) in self._started.items():
            if card not in former or former[card][0] != start:
                changes += self._hide_older(card, since - _SLACK)
        return changes

    def observe(self, sighting: Sighting, at: Moment, *, event: bool) -> Changes:
        """Apply an entry of the kernel; `event`: it has just changed."""
        link = self._links.get(sighting.ifindex)
        if link is None or not link.may_hold(sighting.address):
            return []
        key = sighting.ifindex, sighting.address
        if not sighting.state:
            return self._deleted(key)
        if sighting.state & FAILED:
            return self._failed(key, link, at)
        if sighting.state & VALID and sighting.mac:
            return self._seen(sighting, link, at, event=event)
        return []

    def _seen(self, sighting: Sighting, link: Link, at: Moment, *, event: bool) -> Changes:
        """The kernel knows a MAC for the address."""
        key = sighting.ifindex, sighting.address
        entry = self._entries.get(key)
        offer = event and link.network in self.leased and sighting.may_be_offer()
        back = entry is not None and entry.failed != 0
        proved = at.now if back or sighting.state & PERMANENT else at.now - sighting.confirmed
        if entry is not None and entry.neighbour.mac == sighting.mac:
            return [] if offer and entry.hidden else self._seen_again(entry, proved, at)
        if event:  # a new entry means that its machine has just spoken
            proved = at.now - sighting.confirmed if offer else at.now
        changes = self._remove(key)
        if at.now - proved < MAX_AGE:
            changes += self._add(key, link, sighting.mac, proved, at, hidden=offer)
        return changes

    def resync(self, ifindex: int, sightings: Iterable[Sighting], at: Moment) -> Changes:
        """Apply the whole table of a bridge."""
        changes: Changes = []
        there: set[_Key] = set()
        for sighting in sightings:
            there.add((sighting.ifindex, sighting.address))
            changes += self.observe(sighting, at, event=False)
        for key in [key for key in self._entries if key[0] == ifindex and key not in there]:
            changes += self._deleted(key)
        return changes

    def sweep(
        self, now: float, failed_seconds: float = FAILED_SECONDS
    ) -> tuple[Changes, list[_Key]]:
        """What is gone because of its age, or does not answer for so long, and what to ask for."""
        changes: Changes = []
        doubtful: list[_Key] = []
        for key, entry in list(self._entries.items()):
            neighbour = entry.neighbour
            known = neighbour.mac and self._knows(neighbour.network, neighbour.mac)
            if known and not neighbour.known:
                changes += self._set_known(entry)
            if entry.failed:
                if neighbour.mac and now - entry.failed >= failed_seconds:
                    changes += self._give_up(key, entry)
            elif now - entry.proved >= MAX_AGE or not (entry.in_kernel or known):
                changes += self._remove(key, quiet=bool(known))
            elif known and now - max(entry.proved, entry.asked) >= ASK_SECONDS:
                entry.asked = now
                doubtful.append(key)
        return changes, doubtful

    def set_known(self, network: str, mac: str) -> Changes:
        """A lease or a domain has the MAC now."""
        entries = [self._entries[key] for key in self.of_card(network, mac)]
        return [c for e in entries if not e.neighbour.known for c in self._set_known(e)]

    def given_back(
        self, network: str, address: Address, mac: str | None, until: float, now: float
    ) -> tuple[Changes, list[_Key]]:
        """The lease of an address was given back: what was seen there must prove itself again.

        `mac`: the lease's, None: not recorded. Entries with proof after `until` (Unix seconds)
        stay. Also returns what to ask for: the address and all others of its card, whose machine
        may be gone. An entry that does not answer then goes at once.
        """
        links = (link.ifindex for link in self._links.values() if link.network == network)
        there = [key for index in links if (key := (index, address)) in self._entries]
        macs = {mac} if mac else {self._entries[key].neighbour.mac for key in there} - {""}
        changes: Changes = []
        doubtful: list[_Key] = []
        for key in [key for one in macs for key in self.of_card(network, one)]:
            entry = self._entries[key]
            if entry.neighbour.seen <= until:
                entry.doubted = now
                doubtful.append(key)
                changes += self._hide(entry, now) if key[1] == address else []
        return changes, doubtful

    def doubtful_links(self, now: float) -> set[int]:
        """The bridges with entries that were doubted recently.

        The kernel sends no message if an entry stays in use, so its table must be read.
        """
        entries = self._entries.items()
        return {key[0] for key, e in entries if e.doubted and now - e.doubted < DOUBT_SECONDS}

    def is_proved(self, ifindex: int, address: Address) -> bool:
        """Whether somebody is there for sure."""
        entry = self._entries.get((ifindex, address))
        return entry is not None and not (entry.hidden or entry.failed or entry.doubted)

    def of_card(self, network: str, mac: str) -> list[_Key]:
        """Where the card was seen, proven or not."""
        return list(self._of_card.get((network, mac), ()))

    def _fits(self, key: _Key, entry: _Entry) -> bool:
        link = self._links.get(key[0])
        return (
            link is not None and link.network == entry.neighbour.network and link.may_hold(key[1])
        )

    def _hide_older(self, card: tuple[str, str], until: float) -> Changes:
        """Hide the entries of a card without proof since `until`."""
        changes: Changes = []
        for key in self._of_card.get(card, ()):
            entry = self._entries[key]
            if entry.proved <= until:
                changes += self._hide(entry, until)
        return changes

    def _hide(self, entry: _Entry, until: float) -> Changes:
        if entry.hidden:
            return []
        entry.hidden, entry.proved = True, until
        return [NeighbourChange(entry.neighbour, None)]

    def _seen_again(self, entry: _Entry, proved: float, at: Moment) -> Changes:
        """The entry still has the same MAC."""
        entry.in_kernel = True
        if proved <= entry.proved + _SLACK:
            return []
        former = None if entry.hidden else entry.neighbour
        entry.proved, entry.hidden, entry.failed, entry.doubted = proved, False, 0.0, 0.0
        old = entry.neighbour
        entry.neighbour = msgspec.structs.replace(
            old,
            seen=at.wall - (at.now - proved),
            reachable=True,
            known=old.known or self._knows(old.network, old.mac),
            started=self._start_of((old.network, old.mac)),
        )
        return [NeighbourChange(former, entry.neighbour)]

    def _set_known(self, entry: _Entry) -> Changes:
        """Its MAC is known now."""
        former = entry.neighbour
        entry.neighbour = msgspec.structs.replace(former, known=True)
        return [] if entry.hidden else [NeighbourChange(former, entry.neighbour)]

    def _add(
        self, key: _Key, link: Link, mac: str, proved: float, at: Moment, *, hidden: bool
    ) -> Changes:
        card = link.network, mac
        changes: Changes = []
        if len(self._of_card.get(card, ())) >= MAX_OF_CARD:
            victim = min(self._of_card[card], key=self._worth)
            settled = at.now - self._entries[victim].proved < SETTLED_SECONDS
            if settled or (has_scope(key[1]) and not has_scope(victim[1])):
                return []
            changes += self._remove(victim, quiet=True)
        started = self._started.get(card)
        hidden |= started is not None and proved < started[1] - _SLACK
        neighbour = self._put(key, link, mac, proved, at, hidden=hidden)
        self._of_card[card].add(key)
        return changes if hidden else [*changes, NeighbourChange(None, neighbour)]

    def _put(
        self,
        key: _Key,
        link: Link,
        mac: str,
        proved: float,
        at: Moment,
        *,
        hidden: bool = False,
        failed: float = 0.0,
    ) -> Neighbour:
        neighbour = Neighbour(
            network=link.network,
            address=key[1],
            mac=mac,
            ifindex=key[0],
            since=at.wall,
            seen=at.wall - (at.now - proved),
            reachable=not failed,
            known=self._knows(link.network, mac),
            started=self._start_of((link.network, mac)),
        )
        self._entries[key] = _Entry(neighbour, proved, hidden=hidden, failed=failed)
        return neighbour

    def _start_of(self, card: tuple[str, str]) -> float:
        started = self._started.get(card)
        return 0.0 if started is None else started[0]

    def _worth(self, key: _Key) -> tuple[bool, float]:
        return not has_scope(key[1]), self._entries[key].proved

    def _failed(self, key: _Key, link: Link, at: Moment) -> Changes:
        """Nothing answered the kernel. The machine may be back in a moment."""
        entry = self._entries.get(key)
        if entry is None or entry.hidden:
            self._remove(key)
            nobody = self._put(key, link, "", at.now, at, failed=at.now)
            return [NeighbourChange(None, nobody)]
        entry.in_kernel = True
        if entry.failed:
            return []
        entry.failed, former = at.now, entry.neighbour
        if entry.doubted:
            return self._give_up(key, entry)
        entry.neighbour = msgspec.structs.replace(former, reachable=False)
        return [NeighbourChange(former, entry.neighbour)]

    def _give_up(self, key: _Key, entry: _Entry) -> Changes:
        """No machine has the address any more."""
        former, hidden, failed = entry.neighbour, entry.hidden, entry.failed
        if hidden or not entry.in_kernel:
            return self._remove(key)
        self._remove(key)
        nobody = msgspec.structs.replace(former, mac="")
        self._entries[key] = _Entry(nobody, failed, failed=failed)
        return [NeighbourChange(former, nobody)]

    def _deleted(self, key: _Key) -> Changes:
        """The kernel forgot an entry. It forgets what is unused, so that contradicts nothing."""
        entry = self._entries.get(key)
        if entry is None:
            return []
        neighbour = entry.neighbour
        if neighbour.mac and self._knows(neighbour.network, neighbour.mac):
            entry.in_kernel = False
            return []
        return self._remove(key)

    def _remove(self, key: _Key, *, quiet: bool = False) -> Changes:
        entry = self._entries.pop(key, None)
        if entry is None:
            return []
        neighbour = entry.neighbour
        card = neighbour.network, neighbour.mac
        of_card = self._of_card.get(card)
        if of_card is not None:
            of_card.discard(key)
            if not of_card:
                del self._of_card[card]
        return [] if entry.hidden else [NeighbourChange(neighbour, None, quiet)]
