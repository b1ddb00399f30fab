"""The zone of another host, as transfers bring it: which names have which addresses. Pure.

dnspython's `dns.xfr.Inbound` reads a transfer and writes it into a transaction of this zone. The
transaction judges every record, because the other host may lie. A zone changes as a whole or not
at all. Only addresses count: a record of any other kind is left out, and so is an address that no
host can have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.transaction

from leasewatch import addresses
from leasewatch.addresses import Address
from nss_pyvirt.snapshot import MAX_ADDRESSES

MAX_NAMES: Final = 20_000
"""Names of one zone."""
MAX_LEFT_OUT: Final = 1_000
"""Records of one zone that are left out; with more it is no host's zone."""
MAX_REFRESH: Final = 60
LIFETIMES: Final = range(60, 12 * 3600 + 1)
"""Seconds that a zone may be kept without contact to its host."""

LeftOut = dict[tuple[str, str], str]
"""By name and data of a record: why it is left out."""

_ADDRESSES: Final = {dns.rdatatype.A, dns.rdatatype.AAAA}
_LABEL: Final = re.compile(rb"[a-z0-9_-]{1,63}")


class PeerZoneError(Exception):
    """A transfer that is not the zone of a host. The text says what is wrong."""


class Soa(NamedTuple):
    """What counts of an SOA record. Seconds, within our own limits."""

    serial: int
    refresh: int
    expire: int


class PeerZone(dns.transaction.TransactionManager):
    """`names`: by name relative to `apex`, its addresses, sorted."""

    def __init__(self, apex: str) -> None:
        self.apex = apex
        self.soa: Soa | None = None
        """None: it was never transferred, or it has expired."""
        self.names: dict[str, tuple[Address, ...]] = {}
        self.left_out: LeftOut = {}
        self.touched: set[str] = set()
        """Names that changed since `take_touched`."""
        self.origin = dns.name.from_text(apex)

    def origin_information(self) -> tuple[dns.name.Name | None, bool, dns.name.Name | None]:
        """Names are absolute in transactions."""
        return self.origin, False, self.origin

    def get_class(self) -> dns.rdataclass.RdataClass:
        """Always IN."""
        return dns.rdataclass.IN

    def writer(self, replacement: bool = False) -> dns.transaction.Transaction:
        """Begin a change; `replacement`: of everything."""
        return _Change(self, replacement=replacement)

    def check(self, message: dns.message.Message) -> None:
        """Raises PeerZoneError if a message has records outside the zone."""
        for rrset in message.answer:
            if not rrset.name.is_subdomain(self.origin):
                name = rrset.name.to_text()[:80]
                raise PeerZoneError(f"it sends {name}, which is not below {self.apex}")

    def change(
        self, soa: Soa | None, names: dict[str, tuple[Address, ...]], *, replacement: bool
    ) -> None:
        """Set what these names have; one without addresses goes. `replacement`: others go."""
        if replacement:
            names = {**dict.fromkeys(self.names, ()), **names}
        new = [name for name, held in names.items() if held and name not in self.names]
        gone = [name for name, held in names.items() if not held and name in self.names]
        if len(self.names) + len(new) - len(gone) > MAX_NAMES:
            raise PeerZoneError(f"it has over {MAX_NAMES} names")
        for name, held in names.items():
            if self.names.get(name, ()) != held:
                self.touched.add(name)
        self.names.update(names)
        for name in gone:
            del self.names[name]
        self.soa = soa

    def clear(self) -> None:
        """Forget everything: the zone has expired."""
        self.change(None, {}, replacement=True)
        self.left_out = {}

    def take_touched(self) -> set[str]:
        """The names that changed since the last call."""
        touched, self.touched = self.touched, set()
        return touched

    def shown_left_out(self) -> str:
        """How many records are left out, and why the first one; empty: none."""
        if not self.left_out:
            return ""
        (name, data), why = next(iter(self.left_out.items()))
        count = len(self.left_out)
        records = "1 record is" if count == 1 else f"{count} records are"
        return f"{records} left out: {name or self.apex} {data}: {why}"


class _Change(dns.transaction.Transaction):
    """One transfer. `dns.xfr.Inbound` calls only the methods that are here."""

    def __init__(self, zone: PeerZone, *, replacement: bool) -> None:
        super().__init__(zone, replacement)
        self._zone = zone
        self._soa = zone.soa
        self._names: dict[str, set[Address]] = {}
        """What the changed names then have; in a replacement, all names."""
        self._left_out = {} if replacement else dict(zone.left_out)

    def replace(self, *args: Any) -> None:
        """The SOA record, which is all that is ever replaced."""
        soa = args[1][0]
        expire = min(max(soa.expire, LIFETIMES.start), LIFETIMES.stop - 1)
        self._soa = Soa(soa.serial, min(max(soa.refresh, 1), MAX_REFRESH), expire)

    def add(self, *args: Any) -> None:
        """Add the records of a set."""
        name, addresses, left_out = self._judged(*args)
        self._left_out |= left_out
        if len(self._left_out) > MAX_LEFT_OUT:
            raise PeerZoneError(f"over {MAX_LEFT_OUT} records are no addresses of hosts")
        if addresses:
            there = self._at(name)
            there |= addresses
            if len(there) > MAX_ADDRESSES:
                raise PeerZoneError(f"{name} has over {MAX_ADDRESSES} addresses")

    def delete_exact(self, *args: Any) -> None:
        """Remove the records of a set, which must be there."""
        name, addresses, left_out = self._judged(*args)
        for record in left_out:
            self._left_out.pop(record, None)
        if addresses:
            there = self._at(name)
            if not addresses <= there:
                raise PeerZoneError(f"it removes an address of {name} that was not there")
            there -= addresses

    def commit(self) -> None:
        """Give the zone what was transferred."""
        names = {name: tuple(sorted(held, key=_order)) for name, held in self._names.items()}
        self._zone.change(self._soa, names, replacement=self.replacement)
        self._zone.left_out = self._left_out

    def rollback(self) -> None:
        """Drop the change."""

    def _at(self, name: str) -> set[Address]:
        if (there := self._names.get(name)) is None:
            held = () if self.replacement else self._zone.names.get(name, ())
            there = self._names[name] = set(held)
        return there

    def _judged(
        self, name: dns.name.Name, rdataset: dns.rdataset.Rdataset
    ) -> tuple[str, set[Address], LeftOut]:
        """The relative name, its addresses, and the records that are left out."""
        labels = [one.lower() for one in name.labels[: -len(self._zone.origin.labels)]]
        shown = b".".join(labels).decode("ascii", "backslashreplace")
        if not labels and rdataset.rdtype == dns.rdatatype.NS:
            return shown, set(), {}
        if rdataset.rdclass != dns.rdataclass.IN or rdataset.rdtype not in _ADDRESSES:
            return shown, set(), _left_out(shown, rdataset, "it is no address")
        if not labels or not all(map(_LABEL.fullmatch, labels)):
            return shown, set(), _left_out(shown, rdataset, "that is no name of a host")
        found = {addresses.parse(one.address) for one in rdataset}
        if all(map(_is_told, found)):
            return shown, found, {}
        bad = [one for one in rdataset if not _is_told(addresses.parse(one.address))]
        why = "such an address says nothing on another host"
        return shown, set(filter(_is_told, found)), _left_out(shown, bad, why)


def _is_told(address: Address) -> bool:
    """Whether another host can reach the address."""
    return addresses.is_host(address) and not addresses.is_link_local(address)


def _order(address: Address) -> tuple[int, Address]:
    return len(address), address


def _left_out(name: str, records: Iterable[dns.rdata.Rdata], why: str) -> LeftOut:
    shown = (f"{dns.rdatatype.to_text(one.rdtype)} {one.to_text()[:80]}" for one in records)
    return {(name[:255], data): why for data in shown}
