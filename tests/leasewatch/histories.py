"""Writing a history's file and reading it back, for tests of what it keeps."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from leasewatch.history.file import HistoryFile
from leasewatch.history.intake import CatchUp, Happened
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import HistoryParameters, Holding
from leasewatch.model import Claim, Lease, LeaseChange, Neighbour, NeighbourChange
from tests.leasewatch.leasing import LATER, WALL, change

# As 0.1.0 made it, word for word.
_VERSION_1 = """
CREATE TABLE holding (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    network TEXT NOT NULL,
    address TEXT NOT NULL,
    origin TEXT NOT NULL,        -- lease or neighbour
    mac TEXT,
    client_id TEXT,
    hostname TEXT,
    domain TEXT,                 -- that it belongs to
    refusal TEXT,                -- how its claim to its hostname failed last
    first_seen REAL NOT NULL,    -- of the client under its hostname
    since REAL NOT NULL,
    expires INTEGER NOT NULL,    -- 0: never
    until REAL,                  -- NULL: it holds
    ended TEXT,                  -- the kind of event that ended it
    client TEXT NOT NULL GENERATED ALWAYS AS (coalesce(mac, client_id, address)) VIRTUAL
);
CREATE UNIQUE INDEX holding_now ON holding (network, address) WHERE until IS NULL;
CREATE INDEX holding_address ON holding (address);
CREATE INDEX holding_client ON holding (client);
CREATE INDEX holding_hostname ON holding (hostname COLLATE NOCASE);
CREATE INDEX holding_domain ON holding (domain) WHERE domain IS NOT NULL;
CREATE INDEX holding_until ON holding (until) WHERE until IS NOT NULL;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given out twice
    time REAL NOT NULL,
    kind TEXT NOT NULL,
    holding INTEGER,
    name TEXT,
    why TEXT
);
CREATE INDEX event_holding ON event (holding);
PRAGMA user_version = 1;
"""
CLAIMS_1 = {
    "10.0.0.1": None,
    "10.0.0.2": "refused: it is refused",
    "10.0.0.3": "conflict: 52:54:00:00:00:09: it has the name",
}
"""What became of the claims of three leases, as version 1 wrote it."""
_INSERT_1 = """
INSERT INTO holding (network, address, origin, mac, hostname, refusal, first_seen, since, expires)
VALUES ('lab', ?, 'lease', ?, ?, ?, ?, ?, ?)
"""


def add(file: HistoryFile, *leases: Lease, wall: float = WALL) -> None:
    """The leases begin."""
    file.write(happening(change(None, new, wall), wall) for new in leases)


def take(file: HistoryFile, what: LeaseChange | NeighbourChange | Claim, wall: float) -> None:
    """It happens."""
    file.write([happening(what, wall)])


def catch_up(file: HistoryFile, *held: LeaseChange | Neighbour, wall: float) -> None:
    """The service starts, and this is what holds."""
    file.write([CatchUp(wall, list(held))])


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


def write_version_1(path: Path) -> None:
    """A file as 0.1.0 wrote it: the three leases of CLAIMS_1 hold, each with its event."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(_VERSION_1)
        for number, (address, claim) in enumerate(CLAIMS_1.items(), 1):
            mac, name = f"52:54:00:00:00:0{number}", f"vm{number}"
            db.execute(_INSERT_1, (address, mac, name, claim, WALL, WALL, LATER))
            db.execute("INSERT INTO event (time, kind, holding) VALUES (9, 'added', ?)", (number,))
