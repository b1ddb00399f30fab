"""Writing a history's file and reading it back, for tests of what it keeps."""

from __future__ import annotations

from pathlib import Path

from leasewatch.history import events
from leasewatch.history.file import HistoryFile
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import HistoryParameters, Holding
from leasewatch.model import Lease, LeaseChange
from tests.leasewatch.leasing import WALL, change


def add(file: HistoryFile, *leases: Lease, wall: float = WALL) -> None:
    file.write(event for new in leases for event in events.of_change(change(None, new, wall), wall))


def take(file: HistoryFile, changed: LeaseChange, wall: float) -> None:
    file.write(events.of_change(changed, wall))


def holdings(path: Path, query: str | None = None, since: float | None = None) -> list[Holding]:
    """The oldest first."""
    pages = HistoryReader(path).holdings(HistoryParameters(query=query, since=since))
    return [row for page in pages for row in page][::-1]


def happened(path: Path, query: str | None = None) -> list[str]:
    pages = HistoryReader(path).events(HistoryParameters(query=query))
    return [row.kind for page in pages for row in page][::-1]
