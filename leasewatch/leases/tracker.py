"""Turns reads of a lease file into changes of its leases; a read may be torn.

A file is a set of records (dnsmasq: its lines), each parsed once. A record has one of these states:

    fresh    The last read has it, and it does not count yet.
    held     It counts: its lease holds until it expires.
    absent   It counts, but the last read lacks it.
    gone     It counts no longer.

    fresh -> held     Two reads in a row have it.
    fresh -> gone     The next read lacks it. It never counted.
    held -> absent    A read lacks it.
    absent -> held    A read has it again.
    absent -> gone    One of these:
                      - Equal reads lack it for EQUAL_SECONDS, or for SHRUNK_SECONDS if half of the
                        records or more are missing, and the writer is not at work.
                      - COMPLETE_READS versions of the file lack it, and no fresh record has its
                        address, client or name. The fresh one must count first.
                      - A record of the same address comes to count.

A file that is replaced by rename is never torn: fresh is held, and absent is gone, at once.

No record goes while the file ends inside a line, while nothing in it can be parsed, or while its
writer is dead. The tracker reads no file and no clock: `now` is monotonic, `wall` is Unix seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from leasewatch.addresses import Address
from leasewatch.errors import ParseError
from leasewatch.leases.address_book import AddressBook, FirstSeen, client_of
from leasewatch.model import Lease, LeaseChange, LeaseFile
from leasewatch.sources.source import Source

EQUAL_SECONDS = 0.05
SHRUNK_SECONDS = 0.5
"""A file that ends inside a line is parsed only after it has not changed for so long. A file that
lost _CHUNK bytes or more is parsed after so long: nearly always, it grows again."""
COMPLETE_READS = 3
_CHUNK = 1 << 16
"""How many bytes are compared at once."""

Writer = Literal["waiting", "working", "dead"]
"""What the file's writer was doing just before a read.

`working`: it may stand still within a rewrite, on a busy host or a slow disk. `waiting`: it has
written whole versions only, or it is not known.
"""
Fault = tuple[bytes | None, ParseError]
"""What is wrong with a record; None: with the file as a whole. The line number is 0."""
_Parsed = Lease | ParseError | None
"""What a record says; None: it is no lease, e.g. the server's DUID."""


class Outcome(msgspec.Struct, frozen=True):
    """What a read brought. `again`: read the file once more after so many seconds."""

    changes: list[LeaseChange]
    faults: list[Fault]
    """Each fault of the records that have begun to count, once; or one fault of the whole file.

    A record with a fault has no lease, unless the error is a LostFieldError.
    """
    again: float | None


class LeaseTracker:
    """The leases of one file, as far as its reads prove them."""

    def __init__(self, file: LeaseFile, source: Source, first_seen: FirstSeen) -> None:
        self.file = file
        self._source = source
        self.book = AddressBook(first_seen)
        """The leases that hold."""
        self._records: set[bytes] = set()
        """The records of the last read that could be split…"""
        self._split = b""
        """…and its bytes."""
        self._distinct = True
        """No record is in them twice."""
        self._data: bytes | None = None
        """The last read…"""
        self._equal_since = 0.0
        """…and when the first read equal to it was."""
        self._is_cut = False
        """Whether it ends inside a line."""
        self._lost_since = math.inf
        """Since when it has been much shorter than the last read that was parsed; inf: it is not.
        """
        self._settled = False
        """Whether further equal reads prove nothing new."""
        self._understood = True
        """Whether the last read could be split."""
        self._fresh: dict[bytes, _Parsed] = {}
        self._held: dict[bytes, _Parsed] = {}
        """Also those that are absent."""
        self._absent: dict[bytes, _Moment] = {}
        """When each went missing."""
        self._lost_fields: dict[bytes, list[ParseError]] = {}
        """The unreadable fields of fresh records."""
        self._awaited: dict[str | Address, _Moment] = {}
        """Addresses, clients and names of fresh records, and when a read last had each."""
        self._versions = 0
        """How many versions of the file the reads have shown."""

    def observe(
        self, data: bytes, now: float, wall: float, *, writer: Writer = "waiting"
    ) -> Outcome:
        """Process one read; fstat(2) was the same before and after it."""
        equal = data == self._data
        if equal and self._settled:
            return Outcome([], [], None)
        version = False
        if not equal:
            goes_on = self._data is not None and data.startswith(self._data)
            version = bool(data) and not goes_on  # appended lines may be the same rewrite
            self._data, self._equal_since, self._settled = data, now, False
            self._is_cut = not self._source.replaced and not data.endswith(b"\n")
        rewrite = self._seconds_of_rewrite(data, now)
        if rewrite > 0 and self._held:
            return Outcome([], [], rewrite)
        try:
            came, went = self._take(data)
        except ParseError as error:
            self._settled, self._understood = True, False
            return Outcome([], [(None, error)], None)
        self._understood = True
        self._note_fresh(came, went)
        self._note_absent(came, went, now, version=version and self._is_whole())
        proven = (r for r in self._fresh if equal or self._source.replaced or r not in came)
        changes, faults = self._hold(list(proven), wall)
        if self._absent and writer != "dead":
            changes += self._drop(self._gone(now, writer), wall)
        self._settled = self._source.replaced or (equal and not self._absent)
        return Outcome(changes, faults, self._again(now, writer, equal=equal))

    def withdraw(self) -> list[LeaseChange]:
        """Remove every lease: the file is no longer watched."""
        return [LeaseChange(lease, None, 0, 0) for lease in self.book.leases()]

    def has(self, record: bytes | None) -> bool:
        """Whether the last read has this record, and it counts.

        None: whether the last read could not be split at all.
        """
        if record is None:
            return not self._understood
        return record in self._held and record not in self._absent

    def _seconds_of_rewrite(self, data: bytes, now: float) -> float:
        """How long to wait for the rest of the file: mostly, its writer is still at work."""
        if self._source.replaced or len(data) + _CHUNK > len(self._split):
            self._lost_since = math.inf
        else:
            self._lost_since = min(self._lost_since, now)
        if self._is_cut:
            return self._equal_since + SHRUNK_SECONDS - now
        return 0.0 if self._lost_since > now else self._lost_since + SHRUNK_SECONDS - now

    def _take(self, data: bytes) -> tuple[set[bytes], set[bytes]]:
        """The records that a read adds, and those that it lacks; raises ParseError.

        The work follows the change: if each line is a record, only the lines that differ are split.
        """
        split, path = self._source.records, self.file.path
        in_part = self._distinct and self._source.by_line
        if in_part:
            old, new = differing(self._split, data)
            before, now = set(split(old, path)), split(new, path)
        else:
            before, now = self._records, split(data, path)
        lines = set(now)
        came, went = lines - before, before - lines
        self._distinct = len(lines) == len(now)
        if in_part and not (self._distinct and came.isdisjoint(self._records)):
            self._distinct = False  # a line that went may still be elsewhere
            return self._take(data)
        self._records -= went
        self._records |= came
        self._split = data
        return came, went

    def _note_fresh(self, came: set[bytes], went: set[bytes]) -> None:
        for record in went & self._fresh.keys():
            del self._fresh[record]
            self._lost_fields.pop(record, None)
        for record in came.difference(self._held):
            lost: list[ParseError] = []
            try:
                self._fresh[record] = self._source.parse_record(record, self.file, lost)
            except ParseError as error:
                self._fresh[record] = error
            else:
                if lost:
                    self._lost_fields[record] = lost

    def _note_absent(
        self, came: set[bytes], went: set[bytes], now: float, *, version: bool
    ) -> None:
        for record in came & self._absent.keys():
            del self._absent[record]
        self._absent |= dict.fromkeys(went & self._held.keys(), _Moment(now, self._versions))
        self._versions += version
        if not self._absent:
            self._awaited.clear()
            return
        seen = _Moment(now, self._versions)
        for lease in self._fresh.values():
            if isinstance(lease, Lease):
                self._awaited |= dict.fromkeys(_marks(lease), seen)

    def _hold(self, records: list[bytes], wall: float) -> tuple[list[LeaseChange], list[Fault]]:
        """Let these fresh records count."""
        leases: list[tuple[bytes, Lease]] = []
        faults: list[Fault] = []
        for record in records:
            lease = self._held[record] = self._fresh.pop(record)
            faults += [(record, lost) for lost in self._lost_fields.pop(record, ())]
            if isinstance(lease, ParseError):
                faults.append((record, lease))
            elif lease is not None:
                leases.append((record, lease))
        if not self._fresh:
            self._fresh = {}  # a dict that was large stays large
        leases.sort(key=lambda pair: (pair[1].expires, pair[1].address))  # oldest first
        changes: list[LeaseChange] = []
        for record, lease in leases:
            if self._awaited:
                for mark in _marks(lease):
                    self._awaited.pop(mark, None)
            former = self.book.record_at(lease.address)
            renewed = former is not None and former in self._absent
            if former is not None and renewed:
                del self._held[former], self._absent[former]
            changes += self.book.put(record, lease, wall, replace=renewed)
        return changes, faults

    def _gone(self, now: float, writer: Writer) -> list[bytes]:
        """The absent records that are proven gone."""
        wait = 0.0 if self._source.replaced else self._wait()
        stands_still = now - self._equal_since >= wait and self._is_whole()
        if stands_still and (writer == "waiting" or self._source.replaced):
            return list(self._absent)
        if self._source.replaced:
            return []

        def is_past(moment: _Moment) -> bool:
            return self._versions - moment.versions >= COMPLETE_READS and now - moment.at >= wait

        def is_awaited(record: bytes) -> bool:
            lease = self._held[record]
            marks = _marks(lease) if isinstance(lease, Lease) else ()
            return not all(is_past(self._awaited[m]) for m in marks if m in self._awaited)

        past = [record for record, moment in self._absent.items() if is_past(moment)]
        return [record for record in past if not is_awaited(record)]

    def _drop(self, records: list[bytes], wall: float) -> list[LeaseChange]:
        """Remove these absent records."""
        changes: list[LeaseChange] = []
        for record in records:
            del self._absent[record]
            lease = self._held.pop(record)
            if isinstance(lease, Lease):
                changes += self.book.drop(record, lease, wall)
        return changes

    def _again(self, now: float, writer: Writer, *, equal: bool) -> float | None:
        if self._settled:
            return None
        if not equal:
            return 0.0
        if writer == "dead" or not self._is_whole():
            return None
        least = EQUAL_SECONDS if writer == "working" else 0.0
        return max(least, self._equal_since + self._wait() - now)

    def _wait(self) -> float:
        shrunk = 2 * len(self._records) <= len(self._held)
        return SHRUNK_SECONDS if shrunk else EQUAL_SECONDS

    def _is_whole(self) -> bool:
        """Whether the last read may be a whole version of the file.

        If it ends inside a line, its writer is held up, out of disk space or dead.
        """
        if self._data and self._is_cut:
            return False
        return not self._records or any(map(self._is_understood, self._records))

    def _is_understood(self, record: bytes) -> bool:
        said = self._held[record] if record in self._held else self._fresh.get(record)
        return not isinstance(said, ParseError)


class _Moment(NamedTuple):
    """When a read was, and how many versions of the file there had been."""

    at: float
    versions: int


def _marks(lease: Lease) -> tuple[str | Address, ...]:
    """What a lease may share with the one that replaces it."""
    return tuple(filter(None, (lease.address, client_of(lease), lease.hostname)))


def differing(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """The lines of each between their common beginning and their common end."""
    shorter = min(len(old), len(new))
    same = _longest(shorter, lambda at, end: old.startswith(new[at:end], at))
    begin = new.rfind(b"\n", 0, same) + 1
    same = _longest(
        shorter - begin,
        lambda at, end: old.endswith(new[len(new) - end : len(new) - at], 0, len(old) - at),
    )
    end = new.find(b"\n", len(new) - same) + 1 or len(new)
    return old[begin : len(old) - len(new) + end], new[begin:end]


def _longest(most: int, is_same: Callable[[int, int], bool]) -> int:
    """How many bytes are the same, at most `most`; `is_same(at, end)` compares some of them."""
    at, step = 0, _CHUNK
    while step:
        while at + step <= most and is_same(at, at + step):
            at += step
        step >>= 1
    return at
