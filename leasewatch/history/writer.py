"""The history as the service sees it: the event loop queues, a thread writes.

A batch is one transaction, so SIGKILL loses at most the last one. A fault of the file or its disk
is logged once. The service goes on, and the batch is retried.
"""

from __future__ import annotations

import asyncio
import logging
import math
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

from leasewatch.config import HistorySettings
from leasewatch.daemon.counters import Counters
from leasewatch.daemon.logs import NOTICE, fields
from leasewatch.files.reading import identity
from leasewatch.history.claim_log import ClaimLog
from leasewatch.history.damage import DamagedError, is_damage, set_aside
from leasewatch.history.file import HistoryFile
from leasewatch.history.intake import CatchUp, Happened, Intake
from leasewatch.leases.address_book import FirstSeen
from leasewatch.model import Claim, LeaseChange, Neighbour, NeighbourChange
from leasewatch.neighbours.given_back import Past

REMEMBERED: Final = 250_000
"""How many first appearances are remembered."""
PAST_SECONDS: Final = 24 * 3600.0
"""How long a lease that was given back contradicts what was seen at its address before."""
MOST_PAST: Final = 10_000
"""How many of those leases are read, the newest first."""
COUNT_SECONDS: Final = 60.0
"""How often the number of joined changes is logged."""
STEP_SECONDS: Final = 3600.0
"""If the clock was set ahead by more, pruning waits: everything would seem too old."""
MOST_BUSY: Final = 0.1
"""Seconds that a step of catching up waits for the event loop at most."""
_BUSY_SECONDS: Final = 0.005
"""How often it asks whether the lease files are known again."""
_FAULTS: Final = (sqlite3.Error, OSError, DamagedError)
_LOG = logging.getLogger(__name__)


class Pace(NamedTuple):
    """Times and sizes of the thread's work; tests shorten them."""

    batch_seconds: float = 0.5
    """How long changes are gathered before they are written."""
    batch: int = 2000
    """How many of them make a transaction at most."""
    retry_seconds: float = 10.0
    prune_seconds: float = 600.0
    """How often holdings that are too old are deleted."""
    most_waiting: int = 150_000
    """How many changes may wait. If there are more, all are dropped and a `CatchUp` follows."""


class History:
    """The history's side in the event loop; only `first_appearances` waits for the disk.

    Before `start` it takes in only claims: `start` compares the leases with the file.
    """

    def __init__(
        self,
        path: Path,
        settings: HistorySettings,
        pace: Pace | None = None,
        counters: Counters | None = None,
    ) -> None:
        counters = counters or Counters()
        self.past: list[Past] = []
        """Earlier leases: they may contradict what the bridges see now."""
        self._path = path
        self._claim_log = ClaimLog(counters)
        self._intake = Intake()
        self._writer = _Writer(path, settings, pace or Pace(), self._catch_up, counters)
        self._held: Callable[[], Iterable[LeaseChange | Neighbour]] = tuple
        self._started = False
        self._counted = 0.0
        """When joined changes were counted last."""

    def first_appearances(self) -> FirstSeen:
        """Read first appearances from the file; none if it cannot be read. Fills `past`, too.

        Call it before the first claim: it also reads which claims failed last.
        """
        with suppress(*_FAULTS):  # the thread will have the same fault, and log it
            if self._writer.settings.enabled and self._path.exists():
                with closing(HistoryFile(self._path)) as file:
                    self._intake = Intake(file.failing())
                    self.past = file.past(time.time() - PAST_SECONDS, MOST_PAST)
                    return FirstSeen(REMEMBERED, file.first_appearances(REMEMBERED))
        return FirstSeen(REMEMBERED)

    def start(
        self,
        held: Callable[[], Iterable[LeaseChange | Neighbour]],
        is_busy: Callable[[], bool] = bool,
    ) -> None:
        """Begin to write. `held()` returns all that holds, as in `CatchUp`.

        `is_busy()`: whether the event loop is about to publish; catching up then waits a little.
        """
        self._held = held
        self._started = True
        self._writer.start(CatchUp(time.time(), list(held())), is_busy)

    def configure(self, settings: HistorySettings) -> None:
        """Use other settings."""
        was_off = not self._writer.settings.enabled
        self._writer.settings = settings
        if was_off:
            self._catch_up()

    def changed(self, changes: list[LeaseChange]) -> None:
        """Leases changed."""
        if self._started:
            self._writer.put(self._intake.leases(changes, time.time(), time.monotonic()))

    def neighbours_changed(self, changes: list[NeighbourChange]) -> None:
        """The neighbour table changed."""
        if self._started:
            self._writer.put(self._intake.neighbours(changes, time.time()))

    def decided(self, claim: Claim) -> None:
        """A claim was decided, maybe as before; log it if it failed."""
        now = time.monotonic()
        if claim.verdict in {"refused", "conflict"}:
            self._claim_log.failed(claim, now)
        if happened := self._intake.claim(claim, time.time(), now):
            self._writer.put(happened)

    def tick(self) -> None:
        """Write the delayed changes that are due; call it every few seconds."""
        now = time.monotonic()
        self._claim_log.count(now)
        self._writer.put(self._intake.due(now))
        if self._intake.joined and now - self._counted >= COUNT_SECONDS:
            joined, self._intake.joined, self._counted = self._intake.joined, 0, now
            _LOG.log(NOTICE, "history combined changes of busy clients %s", fields(count=joined))

    def fault(self) -> str:
        """Why nothing is written; empty: it is written. Any thread may call it."""
        off = not self._writer.settings.enabled
        return "the settings disable it" if off else self._writer.fault

    async def stop(self) -> None:
        """Write what waits, and end; wait 10 s at most for the disk."""
        self._writer.put(self._intake.due())
        await asyncio.to_thread(self._writer.stop)

    def _catch_up(self, lost: int = 0) -> None:
        """Compare the file with all that holds; `lost` changes were not written."""
        if self._started:
            self._intake.forget_leases()
            self._writer.put([CatchUp(time.time(), list(self._held()), lost)])


class _Writer:
    """The thread and its queue. It calls `catch_up` in the event loop when it needs a `CatchUp`."""

    def __init__(
        self,
        path: Path,
        settings: HistorySettings,
        pace: Pace,
        catch_up: Callable[[int], None],
        counters: Counters,
    ) -> None:
        self.settings = settings
        self.fault = ""
        """Why nothing is written, as logged; empty: it is written."""
        self._path = path
        self._pace = pace
        self._catch_up = catch_up
        self._counters = counters
        self._queue: queue.SimpleQueue[Happened | CatchUp | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_busy: Callable[[], bool] = bool
        # The rest is the thread's.
        self._file: HistoryFile | None = None
        self._checked = False
        """Whether the file was read as a whole once."""
        self._behind = False
        """Whether the file is new and misses what holds."""
        self._last_seq = 0
        self._looked = time.time(), time.monotonic()
        """When it last deleted holdings that are too old, by both clocks."""

    def start(self, first: CatchUp, is_busy: Callable[[], bool]) -> None:
        """Begin to write: `first`, then the claims from before."""
        self._loop = asyncio.get_running_loop()
        self._is_busy = is_busy
        self.put([first, *self._drain()])
        self._thread.start()

    def put(self, items: Sequence[Happened | CatchUp]) -> None:
        """Queue these for the thread. If the queue is too long, drop all of it."""
        if not self.settings.enabled:
            return
        if self._queue.qsize() + len(items) <= self._pace.most_waiting:
            for item in items:
                self._queue.put(item)
        else:
            lost = len(self._drain()) + len(items)
            self._counters.history_dropped += lost
            _LOG.error("too much to write, history entries dropped %s", fields(changes=lost))
            self._catch_up(lost)

    def _drain(self) -> list[Happened | CatchUp]:
        """Empty the queue and return its items."""
        waiting = []
        with suppress(queue.Empty):
            while item := self._queue.get_nowait():
                waiting.append(item)
        return waiting

    def stop(self) -> None:
        """Write what waits, and end; wait 10 s at most for the disk. Blocking."""
        self._stopping.set()
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(10)

    # From here on: in the thread.

    def _run(self) -> None:
        batch: list[Happened | CatchUp] = []
        while True:
            ending = self._stopping.is_set()
            batch = batch or self._gather(ending=ending)
            try:
                self._write(batch)
                batch = []
                self._prune()
            except _FAULTS as error:
                self._close()
                self._failed(error)
                if ending:
                    break
                pace = self._pace
                self._stopping.wait(pace.retry_seconds if self.fault else pace.batch_seconds)
            else:
                if ending and self._queue.empty():
                    break
        self._close()

    def _gather(self, *, ending: bool) -> list[Happened | CatchUp]:
        """The next batch; empty when it is time to prune."""
        batch: list[Happened | CatchUp | None] = []
        with suppress(queue.Empty):
            if self._queue.empty() and not ending:
                look = self._looked[1] + self._pace.prune_seconds - time.monotonic()
                batch.append(self._queue.get(timeout=max(0.0, look)))
                self._stopping.wait(self._pace.batch_seconds)
            while len(batch) < self._pace.batch:
                batch.append(self._queue.get_nowait())
        return [item for item in batch if item is not None]

    def _write(self, batch: list[Happened | CatchUp]) -> None:
        if not self.settings.enabled:
            self._close()
            return
        if self._file is not None and identity(self._path) != self._file.identity:
            _LOG.warning("history was removed, starting a new one %s", fields(path=self._path))
            self._close()
            self._behind = True
        if self._file is None:
            if not any(map(_is_worth_a_file, batch)) and not self._path.exists():
                return
            self._file = self._opened()
        if batch:
            self._file.write(batch)
            self._last_seq = self._file.last_seq
        if self.fault:
            _LOG.log(NOTICE, "history is written again %s", fields(path=self._path))
            self.fault = ""

    def _opened(self) -> HistoryFile:
        file = HistoryFile(self._path, self._let_names_go_first)
        try:
            if not self._checked:
                file.check()
                self._checked = True
            file.go_on_from(self._last_seq)
        except _FAULTS:
            file.close()
            raise
        if self._behind:
            self._behind = False
            if self._loop is not None:
                with suppress(RuntimeError):  # it has ended
                    self._loop.call_soon_threadsafe(self._catch_up, 0)
        return file

    def _let_names_go_first(self) -> None:
        """Wait until the event loop has nothing else to do: both share one interpreter."""
        free = threading.Event()
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._answer, free)
                free.wait(MOST_BUSY)
                free.set()  # it has waited long enough

    def _answer(self, free: threading.Event) -> None:
        """In the event loop: tell the thread when it is free."""
        if self._is_busy() and not free.is_set():
            asyncio.get_running_loop().call_later(_BUSY_SECONDS, self._answer, free)
        else:
            free.set()

    def _close(self) -> None:
        if self._file is not None:
            with suppress(sqlite3.Error):
                self._file.close()
            self._file = None

    def _prune(self) -> None:
        """Delete what is too old, and the oldest rows of a file that is too large."""
        file = self._file
        while file and file.size() > self.settings.size << 20 and file.prune(math.inf):
            pass
        (wall, monotonic), (then, began) = (time.time(), time.monotonic()), self._looked
        if monotonic - began < self._pace.prune_seconds:
            return
        self._looked = wall, monotonic
        if wall - then < monotonic - began + STEP_SECONDS:
            while file and file.prune(wall - self.settings.days * 86400):
                pass

    def _failed(self, error: Exception) -> None:
        """Rename a damaged file; log any other fault once."""
        if is_damage(error):
            try:
                kept = set_aside(self._path, time.time())
            except OSError as another:
                error = another
            else:
                _LOG.error("history is damaged, renamed %s", fields(path=kept, why=error))
                self._behind = True
                return
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if why != self.fault:
            self.fault = why
            every = f"{self._pace.retry_seconds:g}s"
            shown = fields(path=self._path, why=why, every=every)
            _LOG.warning("history is not written, trying again %s", shown)


def _is_worth_a_file(item: Happened | CatchUp) -> bool:
    """False: without a lease, no file is made, so `nss-pyvirt remove` leaves nothing."""
    return bool(item.held) if isinstance(item, CatchUp) else True
