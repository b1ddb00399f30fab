"""What is answered to a question: rcode and records in wire form. Pure.

The zones are NETWORK.SUFFIX of each network, the reverse zones of the networks' prefixes, and those
that are made for the site. Only these have NXDOMAIN. A bare name or alias is a zone of its own,
with nothing below it. Everything else is refused, since others may know it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, Protocol

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.dns import peer_answers, reverse_names, views, wire
from leasewatch.dns.answer import (
    ANY,
    ANY_DATA,
    NOERROR,
    NOT_OURS,
    NOT_YET,
    NXDOMAIN,
    SIZES,
    Answer,
    at_apex,
    pointer,
    rr,
    soa,
    starts,
    text,
    validity,
)
from leasewatch.dns.peer_answers import PeerTable
from leasewatch.dns.reverse_names import Block
from leasewatch.dns.sorted_addresses import SortedAddresses
from leasewatch.dns.table import NameTable, Network
from leasewatch.dns.views import View
from leasewatch.model import HostAddress, HostRecord

_MANY: Final = 1000
"""Names that change at once; with more, forgetting every former answer is faster."""


class SiteZone(Protocol):
    """A zone that is made for the site: `dns.zone.Zone`."""

    def soa(self) -> bytes:
        """Its SOA record, with a pointer to offset 12 as owner."""

    def find(self, name: bytes, rdtype: int) -> list[bytes]:
        """The records of a relative name, with a pointer to offset 12 as owner."""

    def has_name(self, name: bytes) -> bool:
        """Whether there is a record at the name or below it."""


FindZone = Callable[[bytes], SiteZone | None]
"""The zone of an apex: an absolute folded name in wire form."""


class _Known(NamedTuple):
    """The names and addresses of a decided name."""

    names: tuple[str, ...]
    addresses: tuple[Address, ...]


_NOTHING: Final = _Known((), ())


class Answers:
    """Answers from the table, and from the zones that `site_zone` finds."""

    def __init__(
        self,
        table: NameTable,
        site_zone: FindZone = lambda _: None,
        peers: PeerTable | None = None,
    ) -> None:
        self._table = table
        self._site_zone = site_zone
        self._peers = peers
        self._networks: dict[str, Network] = {}
        self._apexes: dict[bytes, str] = {}
        """NETWORK.SUFFIX in wire form -> network."""
        self._prefixes = views.prefixes({})
        self._zones: dict[str, str] = {}
        """The same as text."""
        self._known: dict[str, _Known] = {}
        """By decided name: what the index has of it."""
        self._above = Counter[str]()
        """Empty non-terminals: how many names are below them."""
        self._addresses = SortedAddresses()

    def changed(self, names: Iterable[str]) -> set[bytes] | None:
        """Take over what the table says of these decided names, and of the networks.

        Returns the names whose former answers no longer hold; None: no former answer holds.
        """
        if self._networks != self._table.networks:
            self._set_networks()
            return None
        indexed = [self._index(name) for name in names]
        if len(indexed) > _MANY:
            return None
        return {one for pair in indexed for known in pair for one in _wire_names(known)}

    def answer(self, name: bytes, rdtype: int, view: View, now: float) -> Answer:
        """The answer to a folded absolute name; `now` is in Unix seconds."""
        for start in starts(name):
            apex = name[start:]
            network = self._apexes.get(apex)
            if network is not None and view.sees(network):
                return self._in_network(name, start, rdtype, view, now)
            zone = self._site_zone(apex) if view.site else None
            if zone is not None:
                return self._reverse(name, rdtype, view, now) or _in_site(zone, name, start, rdtype)
        found = self._reverse(name, rdtype, view, now) or self._bare(name, rdtype, view, now)
        if found is None and self._peers is not None and view == views.HOST:
            found = peer_answers.answer(self._peers, name, rdtype, now)
        return found or NOT_OURS

    # --- NETWORK.SUFFIX, and bare names

    def _in_network(self, name: bytes, start: int, rdtype: int, view: View, now: float) -> Answer:
        if start == 0:
            return at_apex(rdtype)
        found = self._host(name, start, rdtype, view, now)
        if found is not None:
            return found
        is_above = text(name) in self._above
        return Answer(NOERROR if is_above else NXDOMAIN, authority=(soa(start),))

    def _bare(self, name: bytes, rdtype: int, view: View, now: float) -> Answer | None:
        """A name outside every network's zone; None: no host has it."""
        found = self._host(name, 0, rdtype, view, now)
        if found is not None and rdtype in {wire.SOA, wire.NS}:
            return at_apex(rdtype)
        return found

    def _host(self, name: bytes, start: int, rdtype: int, view: View, now: float) -> Answer | None:
        """What the record with this name answers; None: there is none, or none in view."""
        record = self._table.find(text(name))
        if record is None:
            return None
        known = [one for one in record.addresses if _holds(one, now) and view.sees(one.network)]
        usable = [one for one in known if not addresses.is_link_local(one.address)]
        wanted = SIZES.get(rdtype, 0)
        found = [one for one in usable if len(one.address) == wanted]
        if found:
            ttl, until = _validity(found, now)
            data = (rr(rdtype, one.address, ttl) for one in found)
            return Answer(NOERROR, tuple(data), until=min(until, _validity(known, now)[1]))
        is_pending = record.pending_until > now and (known or self._is_in_view(record, view))
        if is_pending and not usable and wanted and _family(wanted) in record.awaited:
            return NOT_YET
        if not known and not is_pending:
            return None
        until = _validity(known, now)[1] if not is_pending else 0.0
        if rdtype == ANY:
            return Answer(NOERROR, (ANY_DATA,), until=until)
        return Answer(NOERROR, authority=(soa(start),), until=until)

    def _is_in_view(self, record: HostRecord, view: View) -> bool:
        """Whether a record without an address belongs to a network in view."""
        if view.networks is None:
            return True
        tails = tuple(f".{self._table.suffix_of(network)}" for network in view.networks)
        return any(name.endswith(tails) for name in record.names)

    # --- reverse zones

    def _reverse(self, name: bytes, rdtype: int, view: View, now: float) -> Answer | None:
        """What a reverse name answers; None: it is in no prefix of a network in view."""
        block = reverse_names.block(name)
        if block is None:
            return None
        prefix = views.prefix_of(self._prefixes, block.first, block.last, view)
        if prefix is None:
            return self._ptr(block, rdtype, 0, view, now) if block.is_whole else None
        above = block.labels - reverse_names.apex_labels(prefix.family, prefix.length)
        if above < 0:
            return None
        start = list(starts(name))[above + block.below]
        if block.is_whole:
            found = self._ptr(block, rdtype, start, view, now)
            if found is not None:
                return found
        if start == 0:
            return at_apex(rdtype)
        there = not block.below and self._addresses.any_in(block.first, block.last)
        return Answer(NOERROR if there else NXDOMAIN, authority=(soa(start),))

    def _ptr(self, block: Block, rdtype: int, start: int, view: View, now: float) -> Answer | None:
        found = self._names_of(block.first, view, now)
        if not found:
            return None
        ttl, until = _validity([address for _, address in found], now)
        name, at = found[0]
        if rdtype == wire.PTR:
            tail = f".{self._table.suffix_of(at.network)}"
            name = next((one for one, _ in found if one.endswith(tail)), name)
            return Answer(NOERROR, (rr(wire.PTR, wire.absolute(name), ttl),), until=until)
        if rdtype == ANY:
            return Answer(NOERROR, (ANY_DATA,), until=until)
        if start == 0 and rdtype in {wire.SOA, wire.NS}:
            return at_apex(rdtype)
        return Answer(NOERROR, authority=(soa(start),), until=until)

    def _names_of(self, address: Address, view: View, now: float) -> list[tuple[str, HostAddress]]:
        """All names in view with this address, the canonical one first."""
        if addresses.is_link_local(address):
            return []
        found = []
        for canonical in self._table.names_at(address):
            record = self._table.find(canonical)
            for one in record.addresses if record is not None else ():
                if one.address == address and _holds(one, now) and view.sees(one.network):
                    assert record is not None  # noqa: S101  for mypy
                    found += [(name, one) for name in record.names]
        return found

    # --- the index

    def _set_networks(self) -> None:
        self._networks = dict(self._table.networks)
        self._prefixes = views.prefixes(self._networks)
        self._zones = {self._table.suffix_of(name): name for name in self._networks}
        self._apexes = {wire.absolute(zone): name for zone, name in self._zones.items()}
        self._known, self._above, self._addresses = {}, Counter(), SortedAddresses()
        for name in self._table.records:
            self._index(name)

    def _index(self, name: str) -> tuple[_Known, _Known]:
        """Index a decided name again; returns what it had and what it has."""
        former = self._known.pop(name, _NOTHING)
        records = self._table.records.get(name, ())
        now = _Known(
            tuple(one for record in records for one in record.names),
            tuple(one.address for record in records for one in record.addresses),
        )
        if records:
            self._known[name] = now
        if now != former:
            for one in former.names:
                self._count(one, -1)
            for one in now.names:
                self._count(one, 1)
            self._addresses.replace(former.addresses, now.addresses)
        return former, now

    def _count(self, name: str, step: int) -> None:
        """Count a name for those between it and its network's zone; mostly there are none."""
        between = []
        above = name.partition(".")[2]
        while above and above not in self._zones:
            between.append(above)
            above = above.partition(".")[2]
        for one in between if above else ():
            self._above[one] += step
            if not self._above[one]:
                del self._above[one]


def _wire_names(known: _Known) -> Iterator[bytes]:
    """Everything that is asked for a decided name."""
    yield from map(wire.absolute, known.names)
    yield from map(reverse_names.name, known.addresses)


def _in_site(zone: SiteZone, name: bytes, start: int, rdtype: int) -> Answer:
    relative = name[:start]
    if rdtype == ANY and zone.has_name(relative):
        return Answer(NOERROR, (ANY_DATA,))
    records = tuple(zone.find(relative, rdtype))
    if records:
        return Answer(NOERROR, records)
    rcode = NOERROR if zone.has_name(relative) else NXDOMAIN
    return Answer(rcode, authority=(pointer(start) + zone.soa()[2:],))


def _holds(address: HostAddress, now: float) -> bool:
    return address.expires == 0 or address.expires > now


def _validity(found: Iterable[HostAddress], now: float) -> tuple[int, float]:
    return validity((one.expires for one in found), now)


def _family(size: int) -> int:
    """4 or 6, of an address of 4 or 16 bytes."""
    return 4 if size == 4 else 6
