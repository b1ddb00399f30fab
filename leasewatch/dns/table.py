"""The names of this host, as the service publishes them: values in memory, pure."""

from __future__ import annotations

import msgspec

from leasewatch.addresses import Address
from leasewatch.model import HostRecord
from leasewatch.names import labels

Names = set[str]


class Network(msgspec.Struct, frozen=True):
    """A network whose hosts are NAME.NETWORK.SUFFIX."""

    name: str
    suffix: str
    prefixes: tuple[str, ...] = ()
    """CIDRs of its bridges, e.g. `10.77.0.0/24`; empty: not known."""
    shared: bool = False
    """Whether other hosts share its link, so that an address is the same guest there."""


class NameTable:
    """What each decided name answers, and what the names stand in."""

    def __init__(self) -> None:
        self.networks: dict[str, Network] = {}
        """By name."""
        self.records: dict[str, tuple[HostRecord, ...]] = {}
        """By decided name: the record of the bare name first, then those of longer names alone."""
        self.blocked: frozenset[str] = frozenset()
        """Names that no other host may have here: the host's own, reserved, defined domains'."""
        self._by_name: dict[str, tuple[str, HostRecord]] = {}
        """By each name of a record: the decided name and the record."""
        self._by_address: dict[Address, dict[tuple[str, str], HostRecord]] = {}
        """The records that have the address, by decided name and first of their names."""

    def __len__(self) -> int:
        return len(self.records)

    def set(self, name: str, records: tuple[HostRecord, ...]) -> bool:
        """Set what a decided name answers; no records: nothing. Returns whether that is new."""
        former = self.records.get(name, ())
        if former == records:
            return False
        for record in former:
            self._forget(name, record)
        self.records.pop(name, None)
        if records:
            self.records[name] = records
        for record in records:
            for one in record.names:
                self._by_name[one] = name, record
            for address in record.addresses:
                there = self._by_address.setdefault(address.address, {})
                there[name, record.names[0]] = record
        return True

    def expire(self, now: float) -> Names:
        """Remove the addresses whose leases have ended; returns the names that had them."""
        ended = {
            name: records
            for name, records in self.records.items()
            if any(0 < one.expires <= now for record in records for one in record.addresses)
        }
        for name, records in ended.items():
            held = (_without_ended(record, now) for record in records)
            self.set(name, tuple(record for record in held if _answers(record, now)))
        return set(ended)

    def find(self, name: str) -> HostRecord | None:
        """The record that has this name: folded, no final dot. It may have no address yet."""
        found = self._by_name.get(name)
        return found[1] if found is not None else None

    def names_at(self, address: Address) -> list[str]:
        """Canonical names of the records with this address: owners' first, bare ones first."""
        found = self._by_address.get(address, {}).items()
        ranked = sorted(
            (one.trust == "guest", name != first, first) for (name, first), one in found
        )
        return [first for _, _, first in ranked]

    def suffix_of(self, network: str) -> str:
        """NETWORK.SUFFIX, folded; the suffix is `internal` where it is not known."""
        known = self.networks.get(network)
        return labels.fold(f"{network}.{known.suffix if known else 'internal'}")

    def _forget(self, name: str, record: HostRecord) -> None:
        for one in record.names:
            if self._by_name.get(one) == (name, record):
                del self._by_name[one]
        for address in record.addresses:
            there = self._by_address.get(address.address, {})
            there.pop((name, record.names[0]), None)
            if not there:
                self._by_address.pop(address.address, None)


def _without_ended(record: HostRecord, now: float) -> HostRecord:
    held = tuple(one for one in record.addresses if not 0 < one.expires <= now)
    return msgspec.structs.replace(record, addresses=held)


def _answers(record: HostRecord, now: float) -> bool:
    return bool(record.addresses) or record.pending_until > now
