"""A zone: its records, and a journal of its last steps (RFC 1995). Pure.

A record here is whole and in wire form: owner, type, class, TTL, length and data. Its owner ends in
a pointer to offset 12, where the question section starts (RFC 1035, 4.1.4). So every message with a
zone's records has its apex as the question, and no record is ever rendered again.

A change has two parts, so that a serial is stored before it is served: `plan` makes a step, and
`apply` takes it.
"""

from __future__ import annotations

import hashlib
import struct
from collections import deque
from collections.abc import Iterable, Iterator, KeysView, Mapping
from itertools import chain, dropwhile
from typing import Final, Literal, NamedTuple

from leasewatch.dns import wire
from leasewatch.dns.wire import Data, Name

Record = bytes
"""A whole record, as above."""

APEX: Final = b"\xc0\x0c"
"""The pointer to the question's name."""

MAX_STEPS: Final = 1_000
MAX_JOURNAL: Final = 1 << 20
"""Bytes of records in the journal of a small zone. A larger zone keeps as many as it has itself."""
_MESSAGE: Final = 65_535
"""Bytes of changes that are sent in any case: they fit into about one message."""


class Head(NamedTuple):
    """What the SOA and NS records of a zone say besides the serial. A new head means AXFR."""

    nameservers: tuple[str, ...]
    """The first one is the SOA's MNAME."""
    contact: str = "hostmaster.invalid"
    """RNAME: a mail address with a dot instead of the @."""
    ttl: int = 5
    """Seconds, of every record."""
    refresh: int = 30
    retry: int = 10
    expire: int = 600
    minimum: int = 5
    """Seconds that resolvers may keep the answer that a name does not exist (RFC 2308)."""


class Step(NamedTuple):
    """What changed between two serials."""

    old: int
    """0: the zone had no serial, so this is all of it."""
    serial: int
    removed: tuple[Record, ...]
    added: tuple[Record, ...]
    digest: int
    """Of the zone's content afterwards, see `Kept`."""


class Kept(NamedTuple):
    """What a restart needs to know of a zone."""

    serial: int
    """The last one that may have been served."""
    digest: int | None
    """A hash of head and records, in any order: 128 bits. None: not known."""


class Transfer(NamedTuple):
    """The answer to AXFR or IXFR, in order, its SOA records included.

    It stays as it is while the zone changes.
    """

    kind: Literal["current", "steps", "whole"]
    """`current`: the client has this serial, or a newer one; the SOA is all of it."""
    serial: int
    records: Iterable[Record]


def is_newer(serial: int, other: int) -> bool:
    """Whether a serial is greater (RFC 1982, 3.2)."""
    return 0 < (serial - other) & 0xFFFFFFFF < 0x80000000


def next_serial(last: int, now: float) -> int:
    """The Unix time, or `last` + 1 if that is newer. Never 0, which means none."""
    clock = int(now) & 0xFFFFFFFF or 1
    after = (last + 1) & 0xFFFFFFFF or 1
    return clock if last == 0 or is_newer(clock, after) else after


def owner(record: Record) -> Name:
    """The owner of a record, relative to its zone."""
    return record[: record.index(APEX)]


class Zone:
    """Names, records and journal of one zone. Its names are relative, folded, in wire form."""

    def __init__(self, apex: str, head: Head, kept: Kept | None = None) -> None:
        self.apex = apex
        """Folded, without final dot."""
        self.head = head
        self.serial = 0
        """0: nothing to serve yet."""
        self._kept = kept or Kept(0, None)
        self.size = 0
        """Bytes of all records but SOA and NS."""
        self.journal: deque[Step] = deque()
        """The last steps, the oldest first, each from the serial of the one before it."""
        self._names: dict[Name, tuple[Record, ...]] = {}
        self._above: dict[Name, int] = {}
        self._journal_size = 0
        self._soa = self._soa_parts()
        self._ns = tuple(
            self.record(b"", (wire.NS, wire.absolute(server))) for server in head.nameservers
        )
        self._digest = _digest((self.soa(0), *self._ns))

    def __len__(self) -> int:
        """How many names it has besides the apex."""
        return len(self._names)

    # --- reading

    def soa(self, serial: int | None = None) -> Record:
        """The SOA record, as it was at `serial`; default: as it is."""
        front, back = self._soa
        return front + struct.pack("!I", self.serial if serial is None else serial) + back

    def find(self, name: Name, rdtype: int) -> list[Record]:
        """The records of a name and type. Here the owner is the question itself: a pointer to it.

        An empty list is NODATA if `has_name(name)`, else NXDOMAIN.
        """
        if not name and rdtype == wire.SOA:
            return [self.soa()]
        records = self._names.get(name, ()) if name else self._ns + self._names.get(b"", ())
        kind, start = rdtype.to_bytes(2, "big"), len(name)
        return [record[start:] for record in records if record[start + 2 : start + 4] == kind]

    def has_name(self, name: Name) -> bool:
        """Whether there is a record at the name or below it (RFC 8020)."""
        return not name or name in self._names or name in self._above

    def names(self) -> KeysView[Name]:
        """All names that have records besides the apex."""
        return self._names.keys()

    def at(self, name: Name) -> tuple[Record, ...]:
        """All records of a name, sorted."""
        return self._names.get(name, ())

    def axfr(self) -> Transfer:
        """The whole zone (RFC 5936)."""
        soa = (self.soa(),)
        records = chain.from_iterable(list(self._names.values()))
        return Transfer("whole", self.serial, chain(soa, self._ns, records, soa))

    def ixfr(self, serial: int) -> Transfer:
        """What changed since `serial` (RFC 1995).

        The whole zone if the journal lacks that, or if the changes are larger than the zone.
        """
        if serial == self.serial or is_newer(serial, self.serial):
            return Transfer("current", self.serial, (self.soa(),))
        steps = list(dropwhile(lambda step: step.old != serial, self.journal))
        size = sum(_size(step.removed) + _size(step.added) for step in steps)
        if not steps or size > max(self.size, _MESSAGE):
            return self.axfr()
        soa = (self.soa(),)
        changes = chain.from_iterable(map(self._difference, steps))
        return Transfer("steps", self.serial, chain(soa, changes, soa))

    # --- changing

    def record(self, name: Name, data: Data) -> Record:
        """A whole record of this zone. `name` may be no longer than `fits` says."""
        rdtype, rdata = data
        return name + APEX + struct.pack("!HHIH", rdtype, 1, self.head.ttl, len(rdata)) + rdata

    def fits(self, name: Name) -> bool:
        """Whether a name of this zone has at most 255 bytes (RFC 1035, 2.3.4)."""
        return len(name) + len(self.apex) + 2 <= wire.MAX_NAME

    def plan(self, wanted: Mapping[Name, Iterable[Data]], now: float) -> Step | None:
        """The step that gives these names these records, and no records to those without any.

        Other names stay. None: nothing changes. The first step gives the zone its serial: the one
        that was kept, if the content is the same. `now` is in Unix seconds.
        """
        removed: list[Record] = []
        added: list[Record] = []
        for name, data in wanted.items():
            old = self._names.get(name, ())
            new = {self.record(name, one) for one in data}
            removed += [record for record in old if record not in new]
            added += sorted(new.difference(old))
        if not removed and not added and self.serial:
            return None
        digest = (self._digest + _digest(added) - _digest(removed)) % (1 << 128)
        if not self.serial and digest == self._kept.digest:
            serial = self._kept.serial
        else:
            serial = next_serial(self.serial or self._kept.serial, now)
        return Step(self.serial, serial, tuple(removed), tuple(added), digest)

    def apply(self, step: Step) -> None:
        """Take a step that `plan` made from the zone as it is."""
        if step.old != self.serial:
            raise ValueError(f"{self.apex}: a step from {step.old} at {self.serial}")
        changes: dict[Name, set[Record]] = {}
        for record in step.removed + step.added:
            if (name := owner(record)) not in changes:
                changes[name] = set(self._names.get(name, ()))
        for record in step.removed:
            changes[owner(record)].discard(record)
        for record in step.added:
            changes[owner(record)].add(record)
        for name, records in changes.items():
            self._set(name, tuple(sorted(records)))
        self.serial, self._digest = step.serial, step.digest
        self.size += _size(step.added) - _size(step.removed)
        if step.old:
            self._remember(step)

    def _remember(self, step: Step) -> None:
        """Add a step to the journal and drop the oldest ones that are too much."""
        self.journal.append(step)
        self._journal_size += _size(step.removed) + _size(step.added)
        most = max(MAX_JOURNAL, self.size)
        while len(self.journal) > MAX_STEPS or self._journal_size > most:
            oldest = self.journal.popleft()
            self._journal_size -= _size(oldest.removed) + _size(oldest.added)

    def _set(self, name: Name, records: tuple[Record, ...]) -> None:
        if records and name not in self._names:
            for parent in wire.parents(name):
                self._above[parent] = self._above.get(parent, 0) + 1
        if records:
            self._names[name] = records
        elif self._names.pop(name, None) is not None:
            for parent in wire.parents(name):
                self._above[parent] -= 1
                if not self._above[parent]:
                    del self._above[parent]

    def _difference(self, step: Step) -> Iterator[Record]:
        yield self.soa(step.old)
        yield from step.removed
        yield self.soa(step.serial)
        yield from step.added

    def _soa_parts(self) -> tuple[bytes, bytes]:
        """The SOA record before and behind the serial."""
        head = self.head
        names = wire.absolute(head.nameservers[0]) + wire.absolute(head.contact)
        back = struct.pack("!IIII", head.refresh, head.retry, head.expire, head.minimum)
        record = self.record(b"", (wire.SOA, names + bytes(4) + back))
        return record[: -len(back) - 4], back


def _digest(records: Iterable[Record]) -> int:
    """A sum of hashes: a change of a record costs nothing for the others."""
    return sum(
        int.from_bytes(hashlib.blake2b(record, digest_size=16).digest(), "big")
        for record in records
    ) % (1 << 128)


def _size(records: Iterable[Record]) -> int:
    return sum(map(len, records))
