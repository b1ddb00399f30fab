"""Writing a history's file and reading it back, for tests of what it keeps."""

from __future__ import annotations

from pathlib import Path

from leasewatch.history.file import HistoryFile
from leasewatch.history.intake import Happened, Snapshot
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import HistoryParameters, Holding
from leasewatch.model import Claim, Lease, LeaseChange, Neighbour, NeighbourChange
from tests.leasewatch.leasing import WALL, change


def add(file: HistoryFile, *leases: Lease, wall: float = WALL) -> None:
    """The leases begin."""
    file.write(happening(change(None, new, wall), wall) for new in leases)


def take(file: HistoryFile, what: LeaseChange | NeighbourChange | Claim, wall: float) -> None:
    """It happens."""
    file.write([happening(what, wall)])


def catch_up(file: HistoryFile, *held: LeaseChange | Neighbour, wall: float) -> None:
    """The service starts, and this is what holds."""
    file.write([Snapshot(wall, list(held))])


def happening(what: LeaseChange | NeighbourChange | Claim, wall: float) -> Happened:
    """As `Intake` makes it."""
    at = what if isinstance(what, Claim) else what.new or what.old
    assert at is not None
    assert at.address is not None
    return Happened(wall, at.network, at.address, what)


def holdings(path: Path, query: str | None = None, since: float | None = None) -> list[Holding]:
    """The oldest first."""
    pages = HistoryReader(path).holdings(HistoryParameters(query=query, since=since))
    return [row for page in pages for row in page][::-1]


def happened(path: Path, query: str | None = None) -> list[str]:
    pages = HistoryReader(path).events(HistoryParameters(query=query))
    return [row.kind for page in pages for row in page][::-1]
