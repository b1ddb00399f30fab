"""The tables of the history's file, and the conversion of an earlier version's."""

from __future__ import annotations

import sqlite3
from typing import Final

from leasewatch.history.damage import DamagedError

VERSION: Final = 2
"""The version of the tables (PRAGMA user_version)."""

_TABLES: Final = """
CREATE TABLE holding (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    network TEXT NOT NULL,
    address TEXT NOT NULL,
    origin TEXT NOT NULL,        -- lease or neighbour
    mac TEXT,
    client_id TEXT,
    hostname TEXT,
    domain TEXT,                 -- that it belongs to
    verdict TEXT,                -- how its claim to its hostname failed: refused or conflict
    reason TEXT,                 -- why it failed
    first_seen REAL NOT NULL,    -- of the client under its hostname
    since REAL NOT NULL,
    expires INTEGER NOT NULL,    -- 0: never
    until REAL,                  -- NULL: it is open
    ended TEXT,                  -- how
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
"""
# Version 1 had verdict and reason in one text, "refused: why".
_FROM_VERSION_1: Final = """
ALTER TABLE holding RENAME COLUMN refusal TO reason;
ALTER TABLE holding ADD COLUMN verdict TEXT;
UPDATE holding SET
    verdict = substr(reason, 1, instr(reason, ': ') - 1),
    reason = substr(reason, instr(reason, ': ') + 2)
WHERE reason IS NOT NULL;
"""


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables, or convert those of version 1, in one transaction.

    Raises DamagedError if the database is no history, or of a later version.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version == 1:
        statements = _FROM_VERSION_1
    elif not version and not tables:
        statements = _TABLES
    else:
        raise DamagedError(f"its schema is {version}, not {VERSION}")
    db.executescript(f"BEGIN IMMEDIATE; {statements} PRAGMA user_version = {VERSION}; COMMIT")
