"""From reads of a lease file to changes of its leases, torn reads and expiry included.

A file is a set of records (dnsmasq's: its lines), each parsed once. dnsmasq rewrites its file in
place, so a read may be cut anywhere. The tracker reads no file and
no clock: both times are arguments, `now` monotonic, `wall` Unix seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from typing import NamedTuple

import msgspec

from leasewatch.errors import ParseError
from leasewatch.leases.first_seen import FirstSeen, client_of
from leasewatch.leases.record_set import RecordSet, Split
from leasewatch.model import Lease, LeaseChange, LeaseFile

EQUAL_SECONDS = 0.05
"""Lines absent from reads that were equal for so long are gone."""
SHRUNK_SECONDS = 0.5
"""…and so long where half of the lines or more would go. A file that ends within a line is not even
looked at before."""
COMPLETE_READS = 3
"""Under constant change: lines absent from so many versions of the file are gone."""

ParseRecord = Callable[[bytes, LeaseFile, list[ParseError]], Lease | None]
_Parsed = Lease | ParseError | None
"""What a record says; None: it is no lease, e.g. the server's DUID."""


class Outcome(msgspec.Struct, frozen=True):
    """What a read brought. `again`: the file must be read once more after so many seconds."""

    changes: list[LeaseChange]
    faults: list[tuple[bytes | None, ParseError]]
    """What is wrong with lines that count since, each reported once; the error's line number is 0.

    A line counts for nothing, unless the error is a LostFieldError. One fault of no line (None) is
    of the file as a whole, which then changes nothing.
    """
    again: float | None


class LeaseTracker:
    """The leases of one file, as its reads so far prove them.

    `records` and `by_line` say how a read is split (`RecordSet`). `replaced`: the file is renamed
    into place, so that every read is a whole version of it.
    """

    def __init__(
        self,
        file: LeaseFile,
        parse_record: ParseRecord,
        appearances: FirstSeen,
        *,
        records: Split,
        by_line: bool = False,
        replaced: bool = False,
    ) -> None:
        self.file = file
        self._parse_record = parse_record
        self._records = RecordSet(records, by_line=by_line)
        self._replaced = replaced
        self._book = _AddressBook(appearances)
        self._data: bytes | None = None
        self._equal_since = 0.0
        self._held: dict[bytes, _Parsed] = {}
        """Every line that counts."""
        self._fresh: dict[bytes, _Parsed] = {}
        """The lines of the last read that do not count yet."""
        self._flaws: dict[bytes, list[ParseError]] = {}
        """Of fresh lines: the fields that are left out."""
        self._understood = True
        """The last read, as a whole."""
        self._absent: dict[bytes, _Moment] = {}
        """Lines that count and are missing, since when."""
        self._awaited: dict[str, _Moment] = {}
        """Marks of fresh lines that did not count yet, and when the last of them was read."""
        self._versions = 0
        """Of the file, as far as reads tell."""
        self._settled = False

    def observe(
        self, data: bytes, now: float, wall: float, *, writer_dead: bool = False
    ) -> Outcome:
        """Take in one read whose fstat was the same before and after it."""
        equal = data == self._data
        if equal and self._settled:
            return Outcome([], [], None)
        version = False
        if not equal:
            version = bool(data) and not (self._data is not None and data.startswith(self._data))
            self._data, self._equal_since, self._settled = data, now, False
        stands = self._equal_since + SHRUNK_SECONDS - now
        if self._held and not self._replaced and not data.endswith(b"\n") and stands > 0:
            return Outcome([], [], stands)  # nearly always a rewrite that goes on
        try:
            came, went = self._records.take(data, self.file.path)
        except ParseError as error:
            self._settled, self._understood = True, False
            return Outcome([], [(None, error)], None)
        self._understood = True
        self._note_fresh(came, went)
        self._note_absent(came, went, now, version=version and self._is_sound())
        if self._replaced:
            return self._take_over(wall)
        proven = [line for line in self._fresh if equal or line not in came]
        changes, faults = self._add(proven, wall)
        if not writer_dead:
            changes += self._remove(self._gone(now), wall)
        self._settled = equal and not self._absent
        return Outcome(changes, faults, self._again(now, equal=equal, writer_dead=writer_dead))

    def _take_over(self, wall: float) -> Outcome:
        """What this read says holds, and nothing else."""
        changes, faults = self._add(list(self._fresh), wall)
        if self._is_sound():
            changes += self._remove(list(self._absent), wall)
        self._settled = True
        return Outcome(changes, faults, None)

    def withdraw(self) -> list[LeaseChange]:
        """The file is watched no longer: every lease goes."""
        return [LeaseChange(lease, None, 0, 0) for lease in self.leases()]

    def expire(self, wall: float) -> list[LeaseChange]:
        """Leases whose time is over go; those of a clock that was set back return."""
        return self._book.expire(wall)

    def next_expiry(self) -> int | None:
        """Unix seconds of the next lease to expire; None: none will."""
        return self._book.next_expiry()

    def stands(self, line: bytes | None) -> bool:
        """Whether the last read has this line, and it counts; None: it is not understood at all."""
        if line is None:
            return not self._understood
        return line in self._held and line not in self._absent

    def leases(self) -> Iterable[Lease]:
        """The leases that hold."""
        return (entry.lease for entry in self._book.entries.values())

    def expired(self) -> Iterable[Lease]:
        """Leases that the file still lists though their time is over."""
        return self._book.expired.values()

    def _note_fresh(self, came: set[bytes], went: set[bytes]) -> None:
        for line in went & self._fresh.keys():
            del self._fresh[line]
            self._flaws.pop(line, None)
        for line in came.difference(self._held):
            self._fresh[line] = self._parse(line)

    def _parse(self, line: bytes) -> _Parsed:
        flaws: list[ParseError] = []
        try:
            said = self._parse_record(line, self.file, flaws)
        except ParseError as error:
            return error
        if flaws:
            self._flaws[line] = flaws
        return said

    def _note_absent(
        self, came: set[bytes], went: set[bytes], now: float, *, version: bool
    ) -> None:
        """Note which lines this read lacks.

        A read that only continues the former one is no `version` of the file by itself: it may be
        the same rewrite still going on. And a line does not go while its
        address, its client or its name has a fresh one: that must count first, or the lease would
        be gone in between.
        """
        for line in came & self._absent.keys():
            del self._absent[line]
        self._absent |= dict.fromkeys(went & self._held.keys(), _Moment(now, self._versions))
        self._versions += version
        if not self._absent:
            self._awaited.clear()
            return
        seen = _Moment(now, self._versions)
        for lease in self._fresh.values():
            if isinstance(lease, Lease):
                self._awaited |= dict.fromkeys(_marks(lease), seen)

    def _wait(self) -> float:
        shrunk = 2 * len(self._records) <= len(self._held)
        return SHRUNK_SECONDS if shrunk else EQUAL_SECONDS

    def _is_sound(self) -> bool:
        """Whether the last read may be a whole version of the file.

        It is not where it ends within a line, for its writer is held up, out of disk or dead, nor
        where nothing in it is understood. Such a file takes no lease back, however long it stays.
        """
        data = self._data
        if data and not self._replaced and not data.endswith(b"\n"):
            return False
        return not self._records or any(map(self._is_understood, self._records))

    def _is_understood(self, line: bytes) -> bool:
        said = self._held[line] if line in self._held else self._fresh.get(line)
        return not isinstance(said, ParseError)

    def _gone(self, now: float) -> list[bytes]:
        """The absent lines that are proven gone."""
        if not self._absent:
            return []
        wait = self._wait()
        if now - self._equal_since >= wait and self._is_sound():
            return list(self._absent)

        def is_past(moment: _Moment) -> bool:
            return self._versions - moment.versions >= COMPLETE_READS and now - moment.at >= wait

        def is_awaited(line: bytes) -> bool:
            lease = self._held[line]
            marks = _marks(lease) if isinstance(lease, Lease) else ()
            return not all(is_past(self._awaited[m]) for m in marks if m in self._awaited)

        past = [line for line, moment in self._absent.items() if is_past(moment)]
        return [line for line in past if not is_awaited(line)]

    def _again(self, now: float, *, equal: bool, writer_dead: bool) -> float | None:
        if not equal:
            return 0.0
        if not self._absent or writer_dead or not self._is_sound():
            return None
        return max(0.0, self._equal_since + self._wait() - now)

    def _add(
        self, lines: list[bytes], wall: float
    ) -> tuple[list[LeaseChange], list[tuple[bytes | None, ParseError]]]:
        added: list[tuple[bytes, Lease]] = []
        faults: list[tuple[bytes | None, ParseError]] = []
        for line in lines:
            lease = self._held[line] = self._fresh.pop(line)
            faults += [(line, flaw) for flaw in self._flaws.pop(line, ())]
            if isinstance(lease, ParseError):
                faults.append((line, lease))
            elif lease is not None:
                added.append((line, lease))
                if self._awaited:
                    for mark in _marks(lease):
                        self._awaited.pop(mark, None)
        if not self._fresh:
            self._fresh = {}  # a dict that was large stays large
        added.sort(key=lambda pair: (pair[1].expires, pair[1].address))  # oldest first
        changes: list[LeaseChange] = []
        for line, lease in added:
            former = self._book.line_at(lease.address)
            renewed = former is not None and former in self._absent
            if former is not None and renewed:
                del self._held[former], self._absent[former]
            changes += self._book.put(line, lease, wall, replace=renewed)
        return changes, faults

    def _remove(self, lines: list[bytes], wall: float) -> list[LeaseChange]:
        changes: list[LeaseChange] = []
        for line in lines:
            del self._absent[line]
            lease = self._held.pop(line)
            if isinstance(lease, Lease):
                changes += self._book.drop(line, lease, wall)
        return changes


def _marks(lease: Lease) -> tuple[str, ...]:
    """What a lease shares with the one that takes its place."""
    return tuple(filter(None, (lease.address, client_of(lease), lease.hostname)))


class _Moment(NamedTuple):
    """Of a read: when, and how many versions of the file there had been."""

    at: float
    versions: int


class _Entry(msgspec.Struct, gc=False):
    line: bytes
    lease: Lease
    since: float
    first_seen: float


class _AddressBook:
    """Which line speaks for each address, and until when."""

    def __init__(self, appearances: FirstSeen) -> None:
        self.entries: dict[str, _Entry] = {}
        self.expired: dict[bytes, Lease] = {}
        self._rivals: dict[str, dict[bytes, Lease]] = {}
        """Further lines for an address that has one: only in a file that dnsmasq did not write."""
        self._appearances = appearances
        self._due: list[tuple[int, str]] = []
        """A heap of (expires, address); entries that hold no longer are skipped."""
        self._wall = 0.0
        """The last time that `expire` was told, or a later one at which a line was over already."""

    def line_at(self, address: str) -> bytes | None:
        entry = self.entries.get(address)
        return entry.line if entry else None

    def put(self, line: bytes, lease: Lease, wall: float, *, replace: bool) -> list[LeaseChange]:
        """Add a line; `replace`: the one that speaks for its address so far is no longer there."""
        if 0 < lease.expires <= wall:
            self.expired[line] = lease
            self._wall = max(self._wall, wall)
            return self._vacate(lease.address, wall) if replace else []
        entry = self.entries.get(lease.address)
        if entry is None:
            since = self._appearances.tick(wall)
            entry = _Entry(line, lease, since, self._appearances.see(lease, wall))
            self.entries[lease.address] = entry
            self._schedule(lease)
            return [LeaseChange(None, lease, since, entry.first_seen, wall)]
        if replace or _lasts_longer(lease, entry.lease):
            if not replace:
                self._rivals.setdefault(lease.address, {})[entry.line] = entry.lease
            return [self._hand_over(entry, line, lease, wall)]
        self._rivals.setdefault(lease.address, {})[line] = lease
        return []

    def drop(self, line: bytes, lease: Lease, wall: float) -> list[LeaseChange]:
        """Remove a line."""
        if self.expired.pop(line, None) is not None:
            return []
        entry = self.entries[lease.address]
        if entry.line == line:
            return self._vacate(lease.address, wall)
        del self._rivals[lease.address][line]
        return []

    def expire(self, wall: float) -> list[LeaseChange]:
        changes: list[LeaseChange] = []
        if wall < self._wall:  # the clock was set back
            for line, lease in [item for item in self.expired.items() if item[1].expires > wall]:
                del self.expired[line]
                changes += self.put(line, lease, wall, replace=False)
        self._wall = wall
        while (due := self.next_expiry()) is not None and due <= wall:
            address = heappop(self._due)[1]
            entry = self.entries.pop(address)
            self.expired[entry.line] = entry.lease
            self.expired.update(self._rivals.pop(address, {}))  # they end sooner
            changes.append(LeaseChange(entry.lease, None, entry.since, entry.first_seen))
        return changes

    def next_expiry(self) -> int | None:
        while self._due:
            expires, address = self._due[0]
            entry = self.entries.get(address)
            if entry is not None and entry.lease.expires == expires:
                return expires
            heappop(self._due)
        return None

    def _vacate(self, address: str, wall: float) -> list[LeaseChange]:
        """The line that speaks for the address is gone; a rival takes its place."""
        entry = self.entries[address]
        rivals = self._rivals.pop(address, None)
        if rivals:
            line = max(rivals, key=lambda line: rivals[line].expires or float("inf"))
            lease = rivals.pop(line)
            if rivals:
                self._rivals[address] = rivals
            return [self._hand_over(entry, line, lease, wall)]
        del self.entries[address]
        return [LeaseChange(entry.lease, None, entry.since, entry.first_seen)]

    def _hand_over(self, entry: _Entry, line: bytes, lease: Lease, wall: float) -> LeaseChange:
        old = entry.lease
        if client_of(old) != client_of(lease):
            entry.since = self._appearances.tick(wall)
        if (client_of(old), old.hostname) != (client_of(lease), lease.hostname):
            entry.first_seen = self._appearances.see(lease, wall)
        entry.line, entry.lease = line, lease
        self._schedule(lease)
        return LeaseChange(old, lease, entry.since, entry.first_seen, wall)

    def _schedule(self, lease: Lease) -> None:
        if lease.expires:
            heappush(self._due, (lease.expires, lease.address))
        if len(self._due) > 2 * len(self.entries) + 64:
            self._due = [(e.lease.expires, a) for a, e in self.entries.items() if e.lease.expires]
            heapify(self._due)


def _lasts_longer(lease: Lease, other: Lease) -> bool:
    return (lease.expires or float("inf")) > (other.expires or float("inf"))
