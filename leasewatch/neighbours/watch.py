"""Follows the kernel's neighbour tables of the watched bridges. `table` decides what counts.

Only lasting changes on watched bridges wake it.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import NamedTuple

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.daemon.logs import Recent, fields
from leasewatch.model import Domain, Lease, LeaseChange, NeighbourChange, Nic
from leasewatch.neighbours import kernel as rtnetlink
from leasewatch.neighbours.given_back import Past, is_given_back
from leasewatch.neighbours.links import Link
from leasewatch.neighbours.per_network import PerNetwork
from leasewatch.neighbours.prompter import Prompter
from leasewatch.neighbours.prompts import AFTER, AGAIN, AT_ONCE, IF_NO_LEASE, LATER, ONCE
from leasewatch.neighbours.table import FAILED_SECONDS, Changes, Moment, NeighbourTable

SWEEP_SECONDS = 30.0
"""How often the ages of all entries are checked."""
BUSY_SECONDS = 0.1
"""Pause between two reads if a guest keeps the table busy."""
_LOG = logging.getLogger(__name__)
_BATCH = 200
"""Messages read before others have their turn."""


class _Card(NamedTuple):
    """A network card of a domain."""

    started: float
    """When its domain was started."""
    address: Address
    """The address that the owner assigned; empty: none."""
    runs: bool
    """Whether the domain is known to run."""


class NeighbourWatch:
    """Calls `changed(changes)` in the event loop, and `links_changed()` if bridges changed.

    `knows(network, mac)`: whether a running domain or a lease has the MAC.
    """

    def __init__(
        self,
        changed: Callable[[Changes], None],
        links_changed: Callable[[], None],
        knows: Callable[[str, str], bool],
        *,
        sweep_seconds: float = SWEEP_SECONDS,
        failed_seconds: float = FAILED_SECONDS,
    ) -> None:
        self._sweep_seconds = sweep_seconds
        self._failed_seconds = failed_seconds
        self._faults = Recent()
        self._changed = changed
        self._links_changed = links_changed
        self._table = NeighbourTable(knows)
        self._per_network = PerNetwork()
        self._prompter = Prompter()
        self._bridges: dict[str, str] = {}
        """Network by bridge."""
        self._links: dict[int, Link] = {}
        self._cards: dict[tuple[str, str], _Card] = {}
        """The running domains' cards, by network and MAC."""
        self._turn = 0
        """How many assigned addresses have been asked for."""
        self._socket = rtnetlink.listen()
        self._read_at = 0.0
        self._paused: asyncio.TimerHandle | None = None
        self._sweep_at = 0.0
        self._listen()

    def watch(
        self, bridges: Mapping[str, Iterable[str]], domains: Iterable[Domain], leased: Iterable[str]
    ) -> None:
        """Set the networks with their bridges, the running domains, the networks with leases."""
        self._table.leased = frozenset(leased)
        of_bridge: dict[str, str] = {}
        for network, of_network in bridges.items():
            for bridge in of_network:
                of_bridge.setdefault(bridge, network)  # a bridge belongs to one network
        known = list(domains)
        cards = {
            (nic.network, nic.mac): _card(domain, nic) for domain in known for nic in domain.nics
        }
        new = [card for card, what in cards.items() if self._cards.get(card) != what]
        if cards != self._cards:
            self._cards = cards
            self._report(self._table.set_domains(known, _moment()))
            for network, mac in new:
                self._report(self._table.set_known(network, mac))
        if of_bridge != self._bridges:
            self._bridges = of_bridge
            self._read_links()
        for network, mac in new:
            self._ask_for_card(network, mac)

    def ipv6_networks(self) -> frozenset[str]:
        """The networks where guests may get a global IPv6 address."""
        return frozenset(link.network for link in self._links.values() if link.has_ipv6())

    def prefixes(self) -> dict[str, tuple[tuple[Address, int], ...]]:
        """By network: the addresses of its bridges, with the lengths of their prefixes."""
        found: dict[str, tuple[tuple[Address, int], ...]] = {}
        for link in self._links.values():
            found[link.network] = (*found.get(link.network, ()), *link.addresses)
        return found

    def leases_changed(self, changes: Collection[LeaseChange]) -> None:
        """Note the MACs of leases, and ask for likely addresses: theirs, and others of a card."""
        wall = time.time()
        for change in changes:
            old, lease = change.old, change.new
            if old is not None and is_given_back(change, wall):
                self._given_back(old.network, old.address, old.hwaddr)
            links = self._links_of(lease.network) if lease is not None else []
            if lease is None or not links:
                continue
            for link in links:
                if len(lease.address) == 4 and old is None:
                    self._prompter.answered((link.ifindex, lease.address))  # IF_NO_LEASE
                elif lease.hwaddr is None and _is_new_ipv6(old, lease):
                    self._ask(link, lease.address)
            if lease.hwaddr is None:
                continue
            if old is None or old.hwaddr != lease.hwaddr:
                self._report(self._table.set_known(lease.network, lease.hwaddr))
            if (lease.network, lease.hwaddr) in self._cards:
                self._ask_for_card(lease.network, lease.hwaddr)

    def were_given_back(self, past: Iterable[tuple[Past, float]]) -> None:
        """Leases that were given back before this watch began, and by when (Unix seconds)."""
        for lease, until in past:
            self._given_back(lease.network, lease.address, lease.mac, until)

    def _given_back(
        self, network: str, address: Address, mac: str | None, until: float = math.inf
    ) -> None:
        """Doubt what was seen at the address until then, and ask whether its machine stays."""
        changes, doubtful = self._table.given_back(network, address, mac, until, time.monotonic())
        for target in doubtful:
            self._prompter.ask(target, LATER if target[1] == address else AFTER)
        self._report(changes)

    def rescan(self) -> None:
        """Check what depends on time; to be called every few seconds."""
        now = time.monotonic()
        self._ask_for_given(all_cards=now >= self._sweep_at)
        for ifindex in self._table.doubtful_links(now):
            self._resync(ifindex)
        if now < self._sweep_at:
            return
        self._sweep_at = now + self._sweep_seconds
        changes, doubtful = self._table.sweep(now, self._failed_seconds)
        for target in doubtful:
            if len(target[1]) == 16:
                self._prompter.ask(target, ONCE)
        self._report(changes)

    def stop(self) -> None:
        """Stop listening and asking."""
        if self._paused is not None:
            self._paused.cancel()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._prompter.stop()

    def _report(self, changes: Changes) -> None:
        for change in changes:
            self._ask_after(change)
        found = self._per_network.apply(changes) if changes else changes
        if found:
            self._changed(found)

    def _ask_after(self, change: NeighbourChange) -> None:
        """Ask for addresses that a change makes doubtful or likely."""
        old, new = change.old, change.new
        if new is None or not new.mac:
            return
        target = new.ifindex, new.address
        if new.reachable:
            self._prompter.answered(target)
        if len(new.address) == 4:
            return
        if not new.reachable:
            self._prompter.ask(target, AGAIN)
            return
        if old is None and (new.network, new.mac) in self._cards:
            self._prompter.ask(target, ONCE)  # a guest may claim what is not true
            self._ask_for_card(new.network, new.mac)

    def _ask_for_card(self, network: str, mac: str) -> None:
        """Ask where a domain's card was seen, and at the addresses of its MAC."""
        been = self._table.of_card(network, mac)
        for link in self._links_of(network):
            here = (at for ifindex, at in been if ifindex == link.ifindex and len(at) == 16)
            for address in {*here, *link.guesses(mac)}:
                self._ask(link, address)

    def _ask_for_given(self, *, all_cards: bool) -> None:
        """Ask for assigned addresses where no machine was seen yet, some at a time.

        Without `all_cards`, only for machines that are known to run.
        """
        wanted = [
            (link.ifindex, card.address)
            for (network, _), card in self._cards.items()
            if card.address and (card.runs or all_cards)
            for link in self._links_of(network)
            if self._is_open(link, card.address)
        ]
        if wanted:
            first = self._turn % len(wanted)
            self._turn += AT_ONCE
            for target in (wanted * 2)[first : first + min(AT_ONCE, len(wanted))]:
                self._prompter.ask(target, ONCE)

    def _ask(self, link: Link, address: Address) -> None:
        if self._is_open(link, address):
            self._prompter.ask((link.ifindex, address))

    def _is_open(self, link: Link, address: Address) -> bool:
        """Whether a neighbour may have the address, and none is known to be there."""
        return link.may_hold(address) and not self._table.is_proved(link.ifindex, address)

    def _links_of(self, network: str) -> list[Link]:
        return [link for link in self._links.values() if link.network == network]

    def _read_links(self) -> None:
        """Read which bridges exist, their addresses, and the kernel's entries there."""
        indexes = self._set_filter()
        try:
            own = rtnetlink.addresses() if indexes else {}
        except OSError as error:
            _LOG.error("the host's addresses cannot be read %s", fields(why=error))
            return
        links = {
            ifindex: Link(
                ifindex=ifindex,
                network=self._bridges[bridge],
                addresses=tuple(sorted(own.get(ifindex, []))),
            )
            for bridge, ifindex in indexes.items()
        }
        if links == self._links:
            return
        former, self._links = self._links, links
        self._prompter.keep(set(links))
        self._report(self._table.set_links(links.values()))
        for ifindex, link in links.items():
            if former.get(ifindex) != link:
                self._resync(ifindex)
        for network, mac in self._cards:
            self._ask_for_card(network, mac)
        self._links_changed()

    def _set_filter(self) -> dict[str, int]:
        """Listen to the bridges that exist, and to new links if one is missing.

        Returns their indexes. Changes from then on are received.
        """
        filtered = None
        while (indexes := rtnetlink.indexes(self._bridges)) != filtered:
            filtered = indexes
            missing = len(indexes) < len(self._bridges)
            try:
                rtnetlink.set_filter(self._socket, set(indexes.values()), new_links=missing)
            except OSError as error:  # then we wake up too often, and that is all
                if self._faults.is_new(str(error)):
                    _LOG.warning("rtnetlink filter refused %s", fields(why=error))
        return indexes

    def _resync(self, ifindex: int) -> None:
        try:
            found = rtnetlink.neighbours(ifindex)
        except OSError as error:
            _LOG.error("the neighbour table cannot be read %s", fields(why=error))
            return
        self._report(self._table.resync(ifindex, found, _moment()))

    def _listen(self) -> None:
        self._paused = None
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def _read(self) -> None:
        """Read what has changed, with a pause if a guest keeps the table busy."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._read_at < BUSY_SECONDS:
            loop.remove_reader(self._socket)
            self._paused = loop.call_later(BUSY_SECONDS, self._listen)
        self._read_at = loop.time()
        received, lost = self._receive()
        changes: Changes = []
        links_changed = lost
        for kind, payload in received:
            if kind in {rtnetlink.NEWNEIGH, rtnetlink.DELNEIGH}:
                changes += self._observe(kind, payload)
            else:
                links_changed |= self._is_of_link(kind, payload)
        self._report(changes)
        if links_changed:
            self._read_links()
        if lost:
            for ifindex in list(self._links):
                self._resync(ifindex)

    def _receive(self) -> tuple[list[tuple[int, bytes]], bool]:
        """Some messages, and whether the socket's buffer overflowed."""
        received: list[tuple[int, bytes]] = []
        lost = False
        for _ in range(_BATCH):
            try:
                received += rtnetlink.messages(self._socket.recv(1 << 16))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                lost = True
        return received, lost

    def _observe(self, kind: int, payload: bytes) -> Changes:
        sighting = rtnetlink.sighting(kind, payload)
        if sighting is None:
            return []
        changes = self._table.observe(sighting, _moment(), event=True)
        link = self._links.get(sighting.ifindex)
        if link is not None and sighting.may_be_offer() and self._is_open(link, sighting.address):
            self._prompter.ask((link.ifindex, sighting.address), IF_NO_LEASE)
        return changes

    def _is_of_link(self, kind: int, payload: bytes) -> bool:
        """Whether it may change what `_read_links` found."""
        if kind in {rtnetlink.NEWADDR, rtnetlink.DELADDR}:
            return rtnetlink.interface(payload) in self._links
        return set(rtnetlink.indexes(self._bridges).values()) != self._links.keys()


def _moment() -> Moment:
    return Moment(time.monotonic(), time.time())


def _card(domain: Domain, nic: Nic) -> _Card:
    address = addresses.parse(nic.address) if nic.address else b""
    return _Card(domain.started, address, domain.runs)


def _is_new_ipv6(old: Lease | None, lease: Lease) -> bool:
    """Whether another machine may have the IPv6 address now: clones share DUID and IAID."""
    return len(lease.address) == 16 and (old is None or old.hostname != lease.hostname)
