"""Reads the watched lease files as often as their trackers ask, and passes on the changes.

It decides nothing about leases (`tracker` does) or names. It runs in the event loop and reads the
clocks for the trackers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from leasewatch.daemon import alive
from leasewatch.daemon.alarm import Alarm
from leasewatch.daemon.counters import Counters
from leasewatch.daemon.logs import fields
from leasewatch.files import reading
from leasewatch.leases.address_book import FirstSeen
from leasewatch.leases.faults import Faults
from leasewatch.leases.tracker import LeaseTracker, Writer
from leasewatch.model import Lease, LeaseChange, LeaseFile
from leasewatch.sources import registry
from leasewatch.sources.source import Source

READS_AT_ONCE = 3
"""Two show that a file stands still; one more in case it was just being written."""
REREAD_SECONDS = 0.001

Subscriber = Callable[[list[LeaseChange]], None]
_LOG = logging.getLogger(__name__)


class FileState(NamedTuple):
    """How a lease file stands."""

    file: LeaseFile
    leases: int
    source: str
    """The source whose format it has."""
    modified: float | None
    """Unix seconds; None: it could not be read."""
    unreadable: str | None
    denied: bool
    """The permission to read it is missing."""
    malformed: str | None
    """The worst fault in it now."""


class LeaseFiles:
    """The files, by path. Each subscriber gets every list of changes, in the order they joined."""

    def __init__(self, first_seen: FirstSeen, counters: Counters | None = None) -> None:
        self._first_seen = first_seen
        self._counters = counters or Counters()
        self._watched: dict[str, _Watched] = {}
        self._subscribers: list[Subscriber] = []
        self._expiry = Alarm(self.expire)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call `subscriber` with all changes from now on."""
        self._subscribers.append(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Call it no more."""
        self._subscribers.remove(subscriber)

    def paths(self) -> Iterable[str]:
        """The paths of the watched files."""
        return self._watched.keys()

    def watch(self, files: Iterable[LeaseFile]) -> None:
        """Watch these files and no others; remove the leases of the others."""
        wanted = {file.path: file for file in files}
        for path, watched in list(self._watched.items()):
            file, former = wanted.get(path), watched.tracker.file
            if file is None or (file.network, file.kind) != (former.network, former.kind):
                del self._watched[path]
                watched.again.cancel()
                self._publish(watched.tracker.withdraw())
            else:
                watched.tracker.file = file
        for path, file in wanted.items():
            if path not in self._watched:
                watched = _Watched(file, self._first_seen, self._publish, self._counters)
                self._watched[path] = watched
                watched.look()

    def look(self, paths: set[str]) -> set[str]:
        """Read the watched ones of these files; returns the other paths."""
        watched = [self._watched[path] for path in paths if path in self._watched]
        for each in watched:
            each.look()
        return paths - self._watched.keys() if len(watched) < len(paths) else set()

    def rescan(self) -> None:
        """Read every file that changed without an event, or could not be read before."""
        for path, watched in self._watched.items():
            if watched.signature is None or reading.signature(path) != watched.signature:
                watched.look()

    def is_waiting(self) -> bool:
        """Whether some file must be read again before its leases are known."""
        return any(watched.again.is_set() for watched in self._watched.values())

    def expire(self) -> None:
        """Remove the leases that have expired; also call it if the clock may have been set."""
        wall = time.time()
        self._publish([c for w in self._watched.values() for c in w.tracker.book.expire(wall)])

    def expired(self) -> Iterator[Lease]:
        """Leases that have expired, but are still in a file."""
        for watched in self._watched.values():
            yield from watched.tracker.book.expired.values()

    def states(self) -> Iterator[FileState]:
        """How each file stands."""
        return (watched.state() for watched in self._watched.values())

    def holds(self, path: str) -> bool:
        """Whether the file has a lease that has not ended."""
        watched = self._watched.get(path)
        return watched is not None and len(watched.tracker.book) > 0

    def known_networks(self) -> set[str]:
        """The networks whose leases are all known: every file of theirs could be read."""
        watched = list(self._watched.values())
        unknown = {w.tracker.file.network for w in watched if not w.is_whole()}
        return {w.tracker.file.network for w in watched} - unknown

    def stop(self) -> None:
        """Stop reading."""
        self._expiry.cancel()
        for watched in self._watched.values():
            watched.again.cancel()

    def _publish(self, changes: list[LeaseChange]) -> None:
        if changes:
            for subscriber in self._subscribers:
                subscriber(changes)
        due = (w.tracker.book.next_expiry() for w in self._watched.values())
        self._expiry.set_at(min((at for at in due if at is not None), default=None))


class _Watched:
    """One file, read until its tracker knows its leases."""

    def __init__(
        self, file: LeaseFile, first_seen: FirstSeen, changed: Subscriber, counters: Counters
    ) -> None:
        self._first_seen = first_seen
        self._counters = counters
        self._changed = changed
        self._last = reading.Read(b"", (), torn=False)
        self._unreadable: str | None = None
        """Why, as it was last logged."""
        self._denied = False
        self._begin(file, registry.BY_NAME[file.kind])
        self.signature: reading.Signature | None = None
        """Of the last read; None: it could not be read."""
        self.again = Alarm(self.look)

    def look(self) -> None:
        """Read the file now, and again for as long as its tracker asks."""
        self.again.cancel()
        again: float | None = 0.0
        for _ in range(READS_AT_ONCE):
            again = self._read()
            if again != 0.0:
                break
        if again is not None:
            self.again.set(max(again, REREAD_SECONDS))

    def state(self) -> FileState:
        """How the file stands."""
        return FileState(
            file=self.tracker.file,
            leases=len(self.tracker.book),
            source=self._source.name,
            modified=reading.modified(self.signature) if self.signature else None,
            unreadable=self._unreadable,
            denied=self._denied,
            malformed=self._faults.current(self._last),
        )

    def is_whole(self) -> bool:
        """Whether every lease is known: the file can be read and understood, its writer lives."""
        understood = self.signature is not None and not self._faults.cost_leases()
        return understood and self._writer() != "dead"

    def _begin(self, file: LeaseFile, source: Source) -> None:
        """Start again, with a file in this source's format."""
        self._source = source
        self._reader = source.reader(file.path)
        self.tracker = LeaseTracker(file, source, self._first_seen)
        self._faults = Faults(self.tracker.has)

    def _read(self) -> float | None:
        """Read once; returns the seconds until the next read is due, None: none is."""
        file, began = self.tracker.file, time.perf_counter()
        writer = self._writer()  # before the read: a rewrite that begins now shows in it
        try:
            read = self._reader(self._last.data)
        except OSError as error:
            self._note_unreadable(error)
            return None
        self._unreadable, self.signature = None, read.signature or None
        if read.torn:
            return REREAD_SECONDS  # the write that tore it is an event of its own
        begins = self._source.begins
        is_known = file.kind != registry.TOLD_BY_CONTENT or (begins and begins.match(read.data))
        source = None if is_known else registry.told_by(read.data)
        if source is not None:
            self._changed(self.tracker.withdraw())
            self._begin(file, source)
            return 0.0
        now = time.monotonic()
        outcome = self.tracker.observe(read.data, now, time.time(), writer=writer)
        took = time.perf_counter() - began
        self._counters.parses += 1
        self._counters.parse_seconds += took
        self._counters.parse_longest = max(self._counters.parse_longest, took)
        if outcome.changes:
            self._changed(outcome.changes)
        self._last = read
        if outcome.faults:
            self._faults.take(read, outcome.faults, now)
        return outcome.again

    def _note_unreadable(self, error: OSError) -> None:
        self._counters.parse_failures += 1
        self.signature = None
        why = error.strerror or str(error)
        if why != self._unreadable:
            path = self.tracker.file.path
            _LOG.warning("lease file unreadable %s", fields(path=path, why=why))
        self._unreadable, self._denied = why, isinstance(error, PermissionError)

    def _writer(self) -> Writer:
        """What the process that writes it does."""
        file = self.tracker.file
        if not file.writer_pid:
            return "waiting"
        state = alive.state(file.writer_pid, file.writer_born)
        return "dead" if state == alive.DEAD else "waiting" if state in alive.WAITING else "working"
