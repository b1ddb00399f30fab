"""What waits to be written into the history: bounded, between the event loop and its thread.

The lock is never held while anything waits, so neither side holds up the other.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

from leasewatch.model import Claim, LeaseChange, Neighbour, NeighbourChange

MAX_WAITING = 150_000
"""Items; beyond it all of them are lost, for a snapshot tells the rest."""


class Happened(NamedTuple):
    """A lease or a neighbour changed, or a claim was decided, at `wall` (Unix seconds)."""

    wall: float
    what: LeaseChange | NeighbourChange | Claim


class Snapshot(NamedTuple):
    """All that holds at `wall`: what a history that missed something catches up with."""

    wall: float
    held: list[LeaseChange | Neighbour]
    """Leases as though each was just added, and what is seen without one."""
    lost: int = 0
    """How many items were lost before it."""


class HistoryQueue:
    """Filled by one thread, emptied by another."""

    def __init__(self) -> None:
        self._items: deque[Happened | Snapshot] = deque()
        self._lock = threading.Lock()
        self._filled = threading.Event()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, items: list[Happened]) -> int:
        """Add them; where that is too many, all are lost: returns how many."""
        with self._lock:
            count = len(self._items) + len(items)
            if count > MAX_WAITING:
                self._items.clear()
                return count
            self._items.extend(items)
        if not self._filled.is_set():
            self._filled.set()
        return 0

    def put_snapshot(self, snapshot: Snapshot, *, first: bool = False) -> None:
        """Add it after, or `first` before, what waits."""
        with self._lock:
            if first:
                self._items.appendleft(snapshot)
            else:
                self._items.append(snapshot)
        self._filled.set()

    def wake(self) -> None:
        """Let `wait` end."""
        self._filled.set()

    def wait(self, timeout: float) -> None:
        """Wait, so many seconds at most, until there is something, or for `wake`."""
        self._filled.wait(timeout)
        self._filled.clear()

    def take(self, most: int) -> list[Happened] | Snapshot:
        """The next items, `most` of them at most, or the next snapshot alone."""
        with self._lock:
            taken: list[Happened] = []
            while self._items and len(taken) < most:
                item = self._items[0]
                if isinstance(item, Snapshot) and taken:
                    break
                self._items.popleft()
                if isinstance(item, Snapshot):
                    return item
                taken.append(item)
            return taken
