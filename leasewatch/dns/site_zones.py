"""Which of this host's names its site gets: the zone HOST.vm.SITE and reverse zones. Pure.

- NAME.NETWORK.HOST.vm.SITE for every published name; NAME.HOST.vm.SITE, and the same for aliases,
  only for owners' names. So a guest's claim stays below the label of its network.
- If an owner's name is `a.b`, and a guest `a` is on network `b`, the owner has a.b.HOST.vm.SITE.
- No link-local address, and no name that has more than 255 bytes with its zone.
- A reverse zone holds one PTR for each address: a name above that resolves back.

What a name answers follows from the table alone. So a change costs only the names that it touches.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import ip_network
from typing import Protocol

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.dns import reverse_names, wire
from leasewatch.dns.table import NameTable
from leasewatch.dns.wire import Data, Name
from leasewatch.model import HostRecord
from leasewatch.names.labels import fold

Changes = dict[str, dict[Name, list[Data]]]
"""By apex: names, relative to it, and what they have now."""


class Former(Protocol):
    """What the zones were to have after the last changes."""

    def latest_names(self, apex: str) -> Collection[Name]:
        """All names with records besides the apex; maybe others."""

    def latest(self, apex: str, name: Name) -> Iterable[Data]:
        """The records of a name."""


class SiteZones:
    """Turns changes of the table into changes of zones."""

    def __init__(self, apex: str, reverse: Iterable[str]) -> None:
        self.apex = apex
        """HOST.vm.SITE, folded."""
        self.reverse = {reverse_apex(cidr): wire.absolute(reverse_apex(cidr)) for cidr in reverse}
        """The wire form of each reverse zone, by apex."""
        self._most = wire.MAX_NAME - len(wire.absolute(apex))
        self._extra: dict[str, tuple[str, ...]] = {}
        """By decided name: its site names besides NAME and NAME.NETWORK."""
        self._networks: set[str] = set()
        """Every network that was ever seen, folded."""

    def everything(self, table: NameTable, former: Former) -> Changes:
        """What makes the zones equal to the table. They may hold anything before."""
        self._extra.clear()
        claimed = {n for decided in table.records for n in self._claimed(table, decided)[0]}
        found = self._changes(table, claimed, former)
        for apex, wanted in found.items():
            for name in former.latest_names(apex):
                wanted.setdefault(name, [])
        return found

    def changes(self, table: NameTable, names: Iterable[str], former: Former) -> Changes:
        """What follows from changes of decided names. `former` says what they had."""
        return self._changes(table, self._touched(table, names), former)

    def _changes(self, table: NameTable, site_names: Iterable[str], former: Former) -> Changes:
        forward: dict[Name, list[Data]] = {}
        touched: set[Address] = set()
        for site_name in site_names:
            name = self._wire_name(site_name)
            if name is None:
                continue
            found = self._addresses(table, site_name)
            forward[name] = [wire.address(address) for address in found]
            if self.reverse:
                touched.update(found)
                touched.update(data for _, data in former.latest(self.apex, name))
        result: Changes = {self.apex: forward, **{apex: {} for apex in self.reverse}}
        for address in touched:
            self._point(table, address, result)
        return result

    def _touched(self, table: NameTable, names: Iterable[str]) -> Iterator[str]:
        """Each name below HOST.vm.SITE, relative to it, whose answer may change; some twice."""
        for decided in names:
            former = self._extra.pop(decided, ())
            mine, plain = self._claimed(table, decided)
            yield from plain.union(mine, former)

    def _claimed(self, table: NameTable, decided: str) -> tuple[set[str], set[str]]:
        """The site names of a decided name, and those that any name may have."""
        self._networks.update(map(fold, table.networks))
        mine = {name for r in table.records.get(decided, ()) for name in _site_names(table, r)}
        plain = {decided, *(f"{decided}.{network}" for network in self._networks)}
        if extra := mine - plain:
            self._extra[decided] = tuple(extra)
        return mine, plain

    def _wire_name(self, site_name: str) -> Name | None:
        """None: it is no DNS name, or too long for one."""
        try:
            name = wire.relative(site_name)
        except ValueError:
            return None
        return name if len(name) <= self._most else None

    def _addresses(self, table: NameTable, site_name: str) -> list[Address]:
        record = _record(table, site_name)
        found = record.addresses if record is not None else ()
        return [one.address for one in found if not addresses.is_link_local(one.address)]

    def _point(self, table: NameTable, address: Address, result: Changes) -> None:
        """Add the PTR of an address, or its absence, to the zone that it belongs to."""
        full = reverse_names.name(address)
        inside = [apex for apex, tail in self.reverse.items() if full.endswith(tail)]
        if inside:
            apex = max(inside, key=len)
            target = self._name_of(table, address)
            pointers = [] if target is None else [(wire.PTR, target)]
            result[apex][full.removesuffix(self.reverse[apex])] = pointers

    def _name_of(self, table: NameTable, address: Address) -> Name | None:
        """The absolute name of an address in the site: the first one that resolves back."""
        for canonical in table.names_at(address):
            record = table.find(canonical)
            for site_name in _site_names(table, record) if record is not None else ():
                name = self._wire_name(site_name)
                if name is not None and _record(table, site_name) is record:
                    return name + wire.absolute(self.apex)
        return None


def reverse_apex(cidr: str) -> str:
    """The reverse zone of a subnet, whose prefix ends between two labels of its reverse names."""
    subnet = ip_network(cidr)
    kept = reverse_names.apex_labels(subnet.version, subnet.prefixlen)
    labels = wire.text(reverse_names.name(subnet.network_address.packed)).split(".")
    return ".".join(labels[len(labels) - 2 - kept :])


def _record(table: NameTable, site_name: str) -> HostRecord | None:
    """The record that a name below HOST.vm.SITE answers with: an owner's name comes first.

    Else NAME.NETWORK; the longer NAME wins, so it is never a guest's.
    """
    found = table.find(site_name)
    if found is not None and site_name in _site_names(table, found):
        return found
    name, dot, network = site_name.rpartition(".")
    while dot:
        found = table.find(f"{name}.{table.suffix_of(network)}")
        if found is not None and site_name in _site_names(table, found):
            return found
        name, dot, label = name.rpartition(".")
        network = f"{label}.{network}"
    return None


def _site_names(table: NameTable, record: HostRecord) -> list[str]:
    """The names that a record asks for below HOST.vm.SITE, relative to it; the best one first."""
    tails = {f".{table.suffix_of(n)}": f".{fold(n)}" for n in _networks(record)}
    found = []
    for name in record.names:
        tail = next(filter(name.endswith, tails), None)
        if tail is not None:
            found.append(name.removesuffix(tail) + tails[tail])
        elif record.trust == "owner":
            found.append(name)
    return found


def _networks(record: HostRecord) -> set[str]:
    return {address.network for address in record.addresses}
