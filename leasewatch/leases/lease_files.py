"""The watched lease files: reads each as often as its tracker asks and passes changes on.

It decides nothing about leases (that is `tracker`) or names.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from leasewatch.daemon import alive
from leasewatch.daemon.logs import fields
from leasewatch.files import reading
from leasewatch.leases import formats
from leasewatch.leases.faults import Faults
from leasewatch.leases.first_seen import FirstSeen
from leasewatch.leases.tracker import LeaseTracker
from leasewatch.model import Lease, LeaseChange, LeaseFile
from leasewatch.sources.source import Source

READS_AT_ONCE = 3
"""Two tell that a file stands still; one more in case it was just being written."""
REREAD_SECONDS = 0.001


_LOG = logging.getLogger(__name__)


class FileState(NamedTuple):
    """How a lease file stands."""

    file: LeaseFile
    leases: int
    source: str
    """As what it is read."""
    modified: float | None
    """Unix seconds; None: it could not be read."""
    unreadable: str | None
    denied: bool
    """Unreadable for want of rights."""
    malformed: str | None
    """A fault that it has now."""


class _Watched:
    def __init__(self, source: Source, tracker: LeaseTracker) -> None:
        self.follow(source, tracker)
        self.signature: reading.Signature | None = None
        """Of the last read; None: it could not be read."""
        self.folder: reading.Identity = None
        """Of a server that removes its file with the last lease: where the file was last."""
        self.fault: str | None = None
        """Why it cannot be read, as it was last said."""
        self.denied = False
        self.read = reading.Read(b"", (), torn=False)
        """The last one."""
        self.timer: asyncio.TimerHandle | None = None

    def follow(self, source: Source, tracker: LeaseTracker) -> None:
        """Read the file as `source`'s from now on."""
        self.source = source
        self.tracker = tracker
        self.faults = Faults(tracker.has)

    def is_whole(self) -> bool:
        """Whether it tells every lease: it can be read and understood, and its writer lives."""
        understood = self.signature is not None and not self.faults.cost_leases()
        return understood and not self.has_dead_writer()

    def has_dead_writer(self) -> bool:
        """Whether the process that writes it is known and dead."""
        file = self.tracker.file
        return file.writer_pid != 0 and not alive.is_alive(file.writer_pid, file.writer_born)


class LeaseFiles:
    """Calls `changed(changes)` in the event loop; times are read here, for the trackers."""

    def __init__(
        self,
        changed: Callable[[list[LeaseChange]], None],
        appearances: FirstSeen,
    ) -> None:
        self._changed = changed
        self._appearances = appearances
        self._watched: dict[str, _Watched] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._watched

    def paths(self) -> Iterable[str]:
        """Of every watched file."""
        return self._watched.keys()

    def watch(self, files: Iterable[LeaseFile]) -> None:
        """Watch these files and no others; the leases of those left out go."""
        wanted = {file.path: file for file in files}
        for path, watched in list(self._watched.items()):
            file = wanted.get(path)
            if file is None or _what(file) != _what(watched.tracker.file):
                self._forget(path)
            else:
                watched.tracker.file = file
        for path, file in wanted.items():
            if path not in self._watched:
                source = formats.first(file)
                self._watched[path] = _Watched(source, self._tracker(file, source))
                self.look(path)

    def _tracker(self, file: LeaseFile, source: Source) -> LeaseTracker:
        return LeaseTracker(file, source, self._appearances)

    def look(self, path: str) -> None:
        """Read the file now, and again for as long as its tracker asks."""
        watched = self._watched.get(path)
        if watched is None:
            return
        if watched.timer is not None:
            watched.timer.cancel()
            watched.timer = None
        again: float | None = 0.0
        for _ in range(READS_AT_ONCE):
            again = self._read(path, watched)
            if again != 0.0:
                break
        if again is not None:
            delay = max(again, REREAD_SECONDS)
            watched.timer = asyncio.get_running_loop().call_later(delay, self.look, path)

    def rescan(self) -> None:
        """Read every file that has changed unseen, or could not be read before."""
        for path, watched in self._watched.items():
            if watched.signature is None or reading.signature(path) != watched.signature:
                self.look(path)

    def is_waiting(self) -> bool:
        """Whether some file must be read again before it is known what it holds."""
        return any(watched.timer is not None for watched in self._watched.values())

    def expire(self, wall: float) -> None:
        """Drop the leases whose time is over; `wall` in Unix seconds."""
        changes = [c for w in self._watched.values() for c in w.tracker.expire(wall)]
        if changes:
            self._changed(changes)

    def next_expiry(self) -> int | None:
        """When the next lease expires, Unix seconds; None: none will."""
        due = (w.tracker.next_expiry() for w in self._watched.values())
        return min((at for at in due if at is not None), default=None)

    def expired(self) -> Iterator[Lease]:
        """Leases that files still list though their time is over."""
        for watched in self._watched.values():
            yield from watched.tracker.expired()

    def states(self) -> Iterator[FileState]:
        """How each file stands."""
        for watched in self._watched.values():
            tracker, read = watched.tracker, watched.signature
            yield FileState(
                file=tracker.file,
                leases=sum(1 for _ in tracker.leases()),
                source=watched.source.name,
                modified=reading.modified(read) if read else None,
                unreadable=watched.fault,
                denied=watched.denied,
                malformed=watched.faults.current(watched.read),
            )

    def holds(self, path: str) -> bool:
        """Whether the file has a lease that has not ended."""
        watched = self._watched.get(path)
        return watched is not None and any(True for _ in watched.tracker.leases())

    def known_networks(self) -> set[str]:
        """The networks of which it knows every lease: all their files could be read."""
        watched = list(self._watched.values())
        unknown = {w.tracker.file.network for w in watched if not w.is_whole()}
        return {w.tracker.file.network for w in watched} - unknown

    def stop(self) -> None:
        """Read no more."""
        for watched in self._watched.values():
            if watched.timer is not None:
                watched.timer.cancel()

    def _forget(self, path: str) -> None:
        watched = self._watched.pop(path)
        if watched.timer is not None:
            watched.timer.cancel()
        self._changed(watched.tracker.withdraw())

    def _read(self, path: str, watched: _Watched) -> float | None:
        """One read; returns after how many seconds another is due."""
        try:
            source, read = self._bytes(path, watched)
        except OSError as error:
            watched.signature = None
            why = error.strerror or str(error)
            if why != watched.fault:
                _LOG.warning("lease file unreadable %s", fields(path=path, why=why))
            watched.fault, watched.denied = why, isinstance(error, PermissionError)
            return None
        watched.fault, watched.signature = None, read.signature or None
        if read.torn:
            return REREAD_SECONDS  # what tore it is an event of its own
        if source is not watched.source:
            self._changed(watched.tracker.withdraw())
            watched.follow(source, self._tracker(watched.tracker.file, source))
        tracker = watched.tracker
        dead = watched.has_dead_writer()
        outcome = tracker.observe(read.data, time.monotonic(), time.time(), writer_dead=dead)
        if outcome.changes:
            self._changed(outcome.changes)
        watched.read = read
        watched.faults.take(read, outcome.faults, time.monotonic())
        return outcome.again

    def _bytes(self, path: str, watched: _Watched) -> tuple[Source, reading.Read]:
        """What the file holds; of a server that removes it with its last lease, maybe nothing."""
        try:
            source, read = formats.read(watched.tracker.file, watched.source)
        except FileNotFoundError:
            if watched.folder is None or watched.folder != reading.identity(Path(path).parent):
                raise
            return watched.source, reading.Read(b"", (), torn=False)
        watched.folder = reading.identity(Path(path).parent) if source.leases_removed else None
        return source, read


def _what(file: LeaseFile) -> tuple[str, str]:
    return file.network, file.kind
