"""Writes the history in a thread of its own: the event loop only queues what happened.

A batch is one transaction, so that SIGKILL loses at most the last one. Whatever is wrong with the
file or its disk is said once; the service runs on and this tries again. What an event is: `events`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from leasewatch.config import History as Settings
from leasewatch.daemon import logs
from leasewatch.history import events
from leasewatch.history.calm import Calm
from leasewatch.history.damage import DamagedError, is_damage, set_aside
from leasewatch.history.events import Event
from leasewatch.history.file import HistoryFile
from leasewatch.history.queue import Happened, HistoryQueue, Snapshot
from leasewatch.leases.first_seen import FirstSeen
from leasewatch.model import Claim, LeaseChange, Neighbour, NeighbourChange
from leasewatch.neighbours.given_back import Past

BATCH_SECONDS: Final = 0.5
"""How long what happens is gathered before it is written."""
BATCH: Final = 2000
"""Changes and decisions of one transaction at most."""
RETRY_SECONDS: Final = 10.0
PRUNE_SECONDS: Final = 600.0
"""How often what is too old is looked for."""
STEP_SECONDS: Final = 3600.0
"""A clock that was set ahead by more is not believed at once: it makes everything too old."""
REMEMBERED: Final = 250_000
"""First appearances."""
PAST_SECONDS: Final = 24 * 3600.0
"""How long a lease that was given back contradicts what was seen at its address before."""
COUNT_SECONDS: Final = 60.0
"""How often what was joined is counted in a line."""
MOST_PAST: Final = 10_000
"""Of those given back, the newest."""

_LOG = logging.getLogger(__name__)
_FAULTS = (sqlite3.Error, OSError, DamagedError)


class History:
    """All methods are called in the event loop; only `first_appearances` waits for the disk.

    Before `start` it takes in decisions alone: leases are compared with the file then.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        self._settings = settings
        self._queue = HistoryQueue()
        self._calm = Calm()
        self._counted = 0.0
        """When what was joined was counted last."""
        self._failing = events.Failing()
        self.past: list[Past] = []
        """Leases of earlier times, where they may contradict what the bridges see now."""
        self._held: Callable[[], Iterable[LeaseChange | Neighbour]] = tuple
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        # The rest is the thread's.
        self._file: HistoryFile | None = None
        self._checked = False
        """Whether the file was read as a whole once."""
        self._behind = False
        """Whether the file must catch up with the leases."""
        self._last_seq = 0
        self._fault = ""
        """Why nothing is written, as it was said."""
        self._looked = time.time(), time.monotonic()
        """When what is too old was looked for last, by both clocks."""

    def first_appearances(self) -> FirstSeen:
        """Those that are remembered; none where that fails. Fills `past`, too.

        To be called before the first decision: what became of claims is remembered too.
        """
        with suppress(*_FAULTS):  # the thread will meet it too, and say so
            if self._settings.enabled and self._path.exists():
                with closing(HistoryFile(self._path)) as file:
                    self._failing = events.Failing(file.failing())
                    self.past = file.past(time.time() - PAST_SECONDS, MOST_PAST)
                    return FirstSeen(REMEMBERED, file.first_appearances(REMEMBERED))
        return FirstSeen(REMEMBERED)

    def start(self, held: Callable[[], Iterable[LeaseChange | Neighbour]]) -> None:
        """Begin to write; `held()` is all that holds, as `Snapshot` has it."""
        self._held = held
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._catch_up(first=True)
        self._thread.start()

    def configure(self, settings: Settings) -> None:
        """Go by other settings."""
        was_off = not self._settings.enabled
        self._settings = settings
        if was_off:
            self._catch_up()

    def changed(self, changes: list[LeaseChange]) -> None:
        """Leases changed."""
        if self._thread is not None:
            wall = time.time()
            self._failing.forget(changes)
            self._put_calmly([Happened(wall, change) for change in changes])

    def neighbours_changed(self, changes: list[NeighbourChange]) -> None:
        """The neighbour table changed."""
        if self._thread is not None:
            wall = time.time()
            telling = (change for change in changes if events.of_neighbour(change, wall))
            self._put([Happened(wall, change) for change in telling])

    def decided(self, claim: Claim) -> None:
        """A claim was decided, maybe as before."""
        if self._failing.tells(claim):
            self._put_calmly([Happened(time.time(), claim)])

    def tick(self) -> None:
        """Write what has been held back long enough; to be called every few seconds."""
        now = time.monotonic()
        self._put(self._calm.due(now))
        if self._calm.joined and now - self._counted >= COUNT_SECONDS:
            joined, self._calm.joined, self._counted = self._calm.joined, 0, now
            self._say(logs.NOTICE, "history joined changes of busy clients", count=joined)

    def fault(self) -> str:
        """Why nothing is written, empty where it is; any thread may ask."""
        return self._fault if self._settings.enabled else "the settings switch it off"

    async def stop(self) -> None:
        """Write what waits, and end; a disk that hangs is given 10 s."""
        self._put(self._calm.due())
        self._stopping.set()
        self._queue.wake()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, 10)

    def _put_calmly(self, happened: list[Happened]) -> None:
        now = time.monotonic()
        self._put([one for each in happened for one in self._calm.take(each, now)])

    def _put(self, happened: list[Happened]) -> None:
        if not (happened and self._settings.enabled):
            return
        lost = self._queue.put(happened)
        if lost:
            self._say(logging.ERROR, "too much to write, history lost", changes=lost)
            self._catch_up(lost)

    def _catch_up(self, lost: int = 0, *, first: bool = False) -> None:
        if self._settings.enabled:
            self._calm.forget_changes()
            snapshot = Snapshot(time.time(), list(self._held()), lost)
            self._queue.put_snapshot(snapshot, first=first)

    # From here on: in the thread.

    def _run(self) -> None:
        batch: list[Happened] | Snapshot = []
        while True:
            ending = self._stopping.is_set()
            batch = batch or self._gather(ending=ending)
            try:
                if not self._settings.enabled:
                    self._close()
                elif self._file or _is_worth_a_file(batch) or self._path.exists():
                    self._write(self._opened(), batch)
                batch = []
                self._prune()
            except _FAULTS as error:
                self._close()
                self._failed(error)
                if ending:
                    break
                self._stopping.wait(RETRY_SECONDS if self._fault else BATCH_SECONDS)
            else:
                if ending and not self._queue:
                    break
        self._close()

    def _gather(self, *, ending: bool) -> list[Happened] | Snapshot:
        """The next batch; empty when it is time to look for what is too old."""
        if not self._queue and not ending:
            self._queue.wait(max(0.0, self._looked[1] + PRUNE_SECONDS - time.monotonic()))
            self._stopping.wait(BATCH_SECONDS)
        return self._queue.take(BATCH)

    def _opened(self) -> HistoryFile:
        if self._file is not None and not self._file.is_there():
            self._close()
            self._say(logging.WARNING, "history was removed, beginning another", path=self._path)
            self._behind = True
        if self._file is None:
            self._file = HistoryFile(self._path)
            if not self._checked:
                self._file.check()
                self._checked = True
            self._file.go_on_from(self._last_seq)
            if self._behind and self._loop is not None:
                self._behind = False
                self._loop.call_soon_threadsafe(self._catch_up)
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            with suppress(sqlite3.Error):
                self._file.close()
            self._file = None

    def _write(self, file: HistoryFile, batch: list[Happened] | Snapshot) -> None:
        if isinstance(batch, Snapshot):
            file.catch_up(batch.held, batch.wall)
            if batch.lost:
                file.write([events.lost(batch.lost, "too much at once", batch.wall)])
        elif batch:
            file.write(event for happened in batch for event in _events(happened))
        self._last_seq = file.last_seq
        if self._fault:
            self._say(logs.NOTICE, "history is written again", path=self._path)
            self._fault = ""

    def _prune(self) -> None:
        """Keep to the settings: what is too old goes, and the oldest where it is too much."""
        file, days = self._file, self._settings.days
        while file and file.size() > self._settings.size << 20 and file.prune(math.inf):
            pass
        (wall, monotonic), (then, began) = (time.time(), time.monotonic()), self._looked
        if monotonic - began < PRUNE_SECONDS:
            return
        self._looked = wall, monotonic
        if wall - then < monotonic - began + STEP_SECONDS:
            while file and file.prune(wall - days * 86400):
                pass

    def _failed(self, error: Exception) -> None:
        """Set a damaged file aside; say anything else, once."""
        if is_damage(error):
            try:
                kept = set_aside(self._path, time.time())
            except OSError as another:
                error = another
            else:
                self._say(logging.ERROR, "history is damaged, set aside", path=kept, why=error)
                self._behind = True
                return
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if why != self._fault:
            self._fault = why
            self._say(
                logging.WARNING,
                "history is not written, trying again",
                path=self._path,
                why=why,
                every=f"{RETRY_SECONDS:g}s",
            )

    def _say(self, level: int, event: str, **values: object) -> None:
        _LOG.log(level, "%s %s", event, logs.fields(**values))


def _is_worth_a_file(batch: list[Happened] | Snapshot) -> bool:
    """A host that never had a lease keeps its folder empty, so that `remove` leaves nothing."""
    return bool(batch.held if isinstance(batch, Snapshot) else batch)


def _events(happened: Happened) -> list[Event]:
    if isinstance(happened.what, LeaseChange):
        return events.of_change(happened.what, happened.wall)
    if isinstance(happened.what, NeighbourChange):
        return events.of_neighbour(happened.what, happened.wall)
    return events.of_claim(happened.what, happened.wall)
