"""The history's SQLite file: events in, holdings and their events kept. Blocking, for one thread.

It decides nothing about what is worth keeping (`events`) or when (`history`); `history_reader`
asks. Every method may raise sqlite3.Error; `history_damage` says of which the file is the cause.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.files.replacing import open_regular
from leasewatch.history import events
from leasewatch.history import prune as history_prune
from leasewatch.history.damage import DamagedError
from leasewatch.history.events import Event
from leasewatch.model import Lease, LeaseChange, Neighbour
from leasewatch.neighbours.given_back import Past

VERSION: Final = 2
"""Of the schema (PRAGMA user_version)."""
_STEP: Final = 1000
"""Rows that a step of pruning, or of catching up, takes at a time."""
_PAUSE: Final = 0.01
"""Seconds between two steps of catching up: whoever waits for a name goes before them."""

_SCHEMA: Final = """
CREATE TABLE holding (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    network TEXT NOT NULL,
    address TEXT NOT NULL,
    origin TEXT NOT NULL,        -- lease or neighbour
    mac TEXT,
    client_id TEXT,
    hostname TEXT,
    domain TEXT,                 -- that it belongs to
    verdict TEXT,                -- of its claim to its hostname: refused, conflict; NULL: no fault
    reason TEXT,                 -- of that verdict, one sentence
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
_NOW: Final = "network = :network AND address = :address AND until IS NULL"
_TELL: Final = f"""
INSERT INTO event (time, kind, holding, name, why)
SELECT :time, :kind, id, :name, :why FROM holding WHERE {_NOW}
"""
_OPEN: Final = """
INSERT INTO holding
    (network, address, origin, mac, client_id, hostname, domain, first_seen, since, expires)
VALUES
    (:network, :address, 'lease', :mac, :client_id, :hostname, :domain, :first_seen, :time,
        :expires)
"""
_OPEN_MANY: Final = """
INSERT INTO holding (network, address, origin, mac, client_id, hostname, first_seen, since, expires)
VALUES
"""
_ROW: Final = "(?, ?, 'lease', ?, ?, ?, ?, ?, ?)"
_columns = attrgetter(
    *("network", "address", "mac", "client_id", "hostname", "first_seen", "time", "expires")
)
_TELL_MANY: Final = """
INSERT INTO event (time, kind, holding, why) SELECT since, 'added', id, :why FROM holding
WHERE id > :last
"""
_OF_FORMER_RUN: Final = "origin = 'neighbour' AND since < :started"
_SEE_AGAIN: Final = """
UPDATE holding SET until = NULL, ended = NULL
WHERE origin = 'neighbour' AND mac = :mac AND ended = 'quiet'
    AND since >= :started AND until > :time - 86400 AND id =
    (SELECT max(id) FROM holding WHERE network = :network AND address = :address)
"""
_SEE: Final = f"""
INSERT INTO holding (network, address, origin, mac, first_seen, since, expires)
SELECT :network, :address, 'neighbour', :mac, :time, :time, 0
WHERE NOT EXISTS (SELECT 1 FROM holding WHERE {_NOW})
"""
_CLOSE: Final = f"""
UPDATE holding SET
    until = max(since, CASE WHEN expires > 0 THEN min(expires, :time) ELSE :time END),
    ended = :kind
WHERE {_NOW}
"""
# A DHCP server tells the kernel its client's address before it writes the lease down: what was seen
# for that moment is the lease.
_FORESEEN: Final = f"""
SELECT id FROM holding WHERE {_NOW} AND origin = 'neighbour' AND mac = :mac AND since > :time - 10
"""
_FORGET_FORESEEN: Final = (
    f"DELETE FROM event WHERE holding IN ({_FORESEEN})",
    f"DELETE FROM holding WHERE id IN ({_FORESEEN})",
)
_LOSE_SIGHT: Final = f"{_CLOSE} AND origin = 'neighbour'"
_TELL_OF_LOSS: Final = f"{_TELL} AND origin = 'neighbour'"
_RENEW: Final = f"UPDATE holding SET expires = :expires, client_id = :client_id WHERE {_NOW}"
_NAME: Final = f"UPDATE holding SET domain = :domain WHERE {_NOW} AND domain IS NOT :domain"
# Of a neighbour, which has no hostname of its own: that of its MAC's lease.
_NAME_NEIGHBOUR: Final = f"""
UPDATE holding SET hostname = :name
WHERE {_NOW} AND origin = 'neighbour' AND hostname IS NOT :name
"""
# A conflict is one cause, whoever the rival is: a crowd of one name would tell of each newcomer.
# A domain that has ended claims its own name until its lease is released: that is nobody's fault.
_REFUSE: Final = f"""
UPDATE holding SET verdict = :kind, reason = :why
WHERE {_NOW} AND (verdict, reason) IS NOT (:kind, :why) AND domain IS NOT :name
    AND NOT (:kind = 'conflict' AND verdict IS 'conflict')
"""
_PUBLISH: Final = f"""
UPDATE holding SET verdict = NULL, reason = NULL WHERE {_NOW} AND verdict IS NOT NULL
"""
_LOSE: Final = "INSERT INTO event (time, kind, why) VALUES (:time, :kind, :why)"
_QUIET: Final = {"renewed": _RENEW, "quiet": _LOSE_SIGHT, "lost": _LOSE}
"""What events do that are told of no holding."""


def _decision(event: Event) -> str:
    """The statement for a decision, which changes nothing where that is known already."""
    if event.domain is not None:
        return _NAME
    return {"named": _NAME_NEIGHBOUR, "published": _PUBLISH}.get(event.kind, _REFUSE)


class HistoryFile:
    """An open history; made if it is not there. Raises OSError, sqlite3.Error, DamagedError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        # SQLite's own error does not say why, and its files take the mode of this one.
        file = open_regular(path, 0o640)
        self._identity = os.fstat(file)
        os.close(file)
        self._db = sqlite3.connect(path, timeout=1.0, isolation_level=None)
        try:
            self._prepare()
        except (sqlite3.Error, DamagedError):
            self._db.close()
            raise

    def _prepare(self) -> None:
        run = self._db.execute
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run("PRAGMA journal_size_limit = 16777216")
        (version,) = run("PRAGMA user_version").fetchone()
        (tables,) = run("SELECT count(*) FROM sqlite_master").fetchone()
        if version == VERSION:
            return
        if version == 1:
            statements = _FROM_VERSION_1
        elif not version and not tables:
            statements = _SCHEMA
        else:
            raise DamagedError(f"its schema is {version}, not {VERSION}")
        script = f"BEGIN IMMEDIATE; {statements} PRAGMA user_version = {VERSION}; COMMIT"
        self._db.executescript(script)

    def close(self) -> None:
        """Also merges the write-ahead log where nobody else has the file open."""
        self._db.close()

    def is_there(self) -> bool:
        """Whether its path still leads to it."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (self._identity.st_dev, self._identity.st_ino)

    def check(self) -> None:
        """Read all of it; raises DamagedError."""
        (said,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise DamagedError(said)

    def first_appearances(self, most: int) -> Iterator[tuple[str, str, float]]:
        """(client, hostname, first seen) of what holds now and of the newest holdings.

        The oldest first. They are many: to be taken one by one, before anything is written.
        """
        return self._db.execute(
            """
            WITH older (than) AS (SELECT coalesce(max(id), 0) - :most FROM holding)
            SELECT client, hostname, first_seen FROM older, holding
            WHERE id > than AND hostname IS NOT NULL AND origin = 'lease'
            UNION ALL
            SELECT client, hostname, first_seen FROM older, holding INDEXED BY holding_now
            WHERE until IS NULL AND id <= than AND hostname IS NOT NULL AND origin = 'lease'
            ORDER BY first_seen
            """,
            {"most": most},
        )

    def failing(self) -> list[tuple[str, Address]]:
        """(network, address) of the holdings whose claim to a name failed last."""
        sql = "SELECT network, address FROM holding WHERE until IS NULL AND verdict IS NOT NULL"
        found = self._db.execute(sql)
        return [(network, addresses.parse(address)) for network, address in found]

    def past(self, since: float, most: int) -> list[Past]:
        """The leases that it knows no end of, and those given back since then (Unix seconds)."""
        found = self._db.execute(
            """
            SELECT network, address, mac, expires, until FROM holding
            WHERE until IS NULL AND origin = 'lease'
            UNION ALL
            SELECT * FROM (
                SELECT network, address, mac, expires, until FROM holding
                WHERE until > :since AND ended IN ('released', 'missed', 'replaced')
                    AND origin = 'lease'
                ORDER BY until DESC LIMIT :most
            )
            """,
            {"since": since, "most": most},
        )
        return [Past(network, addresses.parse(at), *rest) for network, at, *rest in found]

    @property
    def last_seq(self) -> int:
        """The last sequence number that was given out."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'event'").fetchone()
        return int(row[0]) if row else 0

    def go_on_from(self, seq: int) -> None:
        """Give out no number up to `seq`."""
        if seq > self.last_seq:
            with self._transaction():
                self._db.execute("DELETE FROM sqlite_sequence WHERE name = 'event'")
                self._db.execute("INSERT INTO sqlite_sequence VALUES ('event', ?)", (seq,))

    def write(self, happened: Iterable[Event]) -> None:
        """Take in events, in order: all or, on an error, none."""
        with self._transaction():
            for event in happened:
                self._take_in(event)

    def catch_up(self, held: Iterable[LeaseChange | Neighbour], wall: float) -> None:
        """Make what holds `held`: leases as though each was just added, and what is seen."""
        present: dict[str, dict[Address, LeaseChange | Neighbour]] = {}
        for one in held:
            there = one.new if isinstance(one, LeaseChange) else one
            if there is not None:
                present.setdefault(there.network, {})[there.address] = one
        with self._transaction():
            for recorded in self._held():
                now = present.get(recorded.network, {}).pop(recorded.address, None)
                for event in events.catch_up(recorded, now, wall):
                    self._take_in(event)
            for of_network in present.values():
                found = (of_network[address] for address in sorted(of_network))
                self._begin(events.found(found, wall))

    def prune(self, before: float) -> bool:
        """Drop a step's worth of what had ended by `before`; returns whether there was any.

        `before` infinite: to make room.
        """
        with self._transaction():
            gone = history_prune.prune(self._db, before)
        self._db.executescript("PRAGMA incremental_vacuum")  # `execute` would step it only once
        return gone

    def size(self) -> int:
        """Bytes, without the write-ahead log."""
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        (page,) = self._db.execute("PRAGMA page_size").fetchone()
        return int(pages) * int(page)

    def _begin(self, found: Iterator[Event]) -> None:
        """Take in what begins where nothing holds: all there is, at a first start.

        So leases come many to a statement, by address: SQLite is fastest so, and it works without
        the event loop's lock.
        """
        while step := list(islice(found, _STEP)):
            leases = [event for event in step if event.kind == "added"]
            if leases:
                (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM holding").fetchone()
                values = list(chain.from_iterable(map(_columns, leases)))
                self._db.execute(_OPEN_MANY + ", ".join([_ROW] * len(leases)), values)
                self._db.execute(_TELL_MANY, {"why": leases[0].why, "last": last})
            for event in step:
                if event.kind != "added":
                    self._take_in(event)
            time.sleep(_PAUSE)

    def _take_in(self, event: Event) -> None:
        run, values = self._db.execute, msgspec.structs.asdict(event)
        if event.kind in _QUIET:
            run(_QUIET[event.kind], values)
        elif event.kind in {"named", "refused", "conflict", "published"}:
            if run(_decision(event), values).rowcount:
                run(_TELL, values)
        elif event.kind == "added":
            for statement in _FORGET_FORESEEN:
                run(statement, values)
            leased = values | {"kind": "replaced", "why": "its address is leased now"}
            run(_TELL, leased)
            run(_CLOSE, leased)
            run(_OPEN, values)
            run(_TELL, values)
        elif event.kind == "renamed":
            (domain,) = run(f"SELECT max(domain) FROM holding WHERE {_NOW}", values).fetchone()
            run(_CLOSE, values)
            run(_OPEN, values | {"domain": domain})
            run(_TELL, values)
        elif event.kind == "seen":
            ended = values | {"kind": "gone", "why": "its domain was started since"}
            run(f"{_TELL} AND {_OF_FORMER_RUN}", ended)
            run(f"{_CLOSE} AND {_OF_FORMER_RUN}", ended | {"time": event.started})
            if not run(_SEE_AGAIN, values).rowcount and run(_SEE, values).rowcount:
                run(_TELL, values)
        elif event.kind == "gone":
            run(_TELL_OF_LOSS, values)
            run(_LOSE_SIGHT, values)
        else:
            run(_TELL, values)
            run(_CLOSE, values)

    def _held(self) -> Iterator[Lease | Neighbour]:
        """What holds now, by the file, a step at a time: the caller may write in between."""
        last = 0
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM holding").fetchone()
        while rows := self._db.execute(
            """
            SELECT id, network, address, origin, since, expires, mac, hostname, client_id
            FROM holding WHERE until IS NULL AND id > ? AND id <= ? ORDER BY id LIMIT ?
            """,
            (last, newest, _STEP),
        ).fetchall():
            last = rows[-1][0]
            yield from map(_current, rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._db.rollback()
            raise


def _current(row: tuple[Any, ...]) -> Lease | Neighbour:
    _, network, text, origin, since, expires, mac, hostname, client_id = row
    at = addresses.parse(text)
    if origin == "neighbour":
        return Neighbour(network=network, address=at, mac=mac, ifindex=0, since=since, seen=since)
    return Lease(
        source="history", network=network, address=at, expires=expires,
        hwaddr=mac,
        hostname=hostname,
        client_id=client_id,
    )  # fmt: skip
