"""The history's SQLite file: stores, finds and deletes. Blocking, for one thread.

`holdings` decides what to store, `writer` when. Every method may raise sqlite3.Error or
DamagedError; `is_damage` says whether the cause is the file.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Final

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.files.reading import Identity
from leasewatch.history import holdings, schema
from leasewatch.history.damage import DamagedError
from leasewatch.history.holdings import StoredHolding, Write
from leasewatch.history.intake import CatchUp, Happened
from leasewatch.model import LeaseChange, Neighbour
from leasewatch.neighbours.given_back import Past
from nss_pyvirt.replacing import open_regular

STEP: Final = 1000
"""Rows that are deleted in one step."""
_ROWS: Final = 200
"""Rows of a step of catching up."""

MOST_OF_CLIENT: Final = 2 * STEP
"""Holdings that a client keeps if others need the room."""

_OLDEST: Final = "SELECT id FROM holding WHERE until < :before ORDER BY until, id LIMIT :step"
_BUSIEST: Final = """
SELECT client FROM holding GROUP BY client HAVING count(*) > :most ORDER BY count(*) DESC LIMIT 1
"""
_OLDEST_OF_CLIENT: Final = """
SELECT id FROM holding WHERE client = :client AND until IS NOT NULL ORDER BY until, id LIMIT :step
"""
_FORGET_EVENTS: Final = """
DELETE FROM event WHERE time < :before AND seq IN (SELECT seq FROM event ORDER BY seq LIMIT :step)
"""

_COLUMNS: Final = StoredHolding.__struct_fields__
_HOLDING: Final = f"SELECT {', '.join(_COLUMNS)} FROM holding"
_LAST: Final = f"{_HOLDING} WHERE address = ? AND network = ? ORDER BY id DESC LIMIT 1"
_OPEN: Final = f"{_HOLDING} WHERE until IS NULL AND id > ? AND id <= ? ORDER BY id LIMIT ?"
_BEGUN: Final = _COLUMNS[_COLUMNS.index("network") : _COLUMNS.index("verdict")]
"""The columns of a new holding."""
_CHANGING: Final = _COLUMNS[_COLUMNS.index("client_id") :]
"""The columns that change while it is open, or when it ends."""
_BEGIN: Final = f"INSERT INTO holding ({', '.join(_BEGUN)}) VALUES "
_ROW: Final = f"({', '.join('?' * len(_BEGUN))})"
_begun = attrgetter(*_BEGUN)
_EVENT: Final = "INSERT INTO event (holding, time, kind, why, name) VALUES (?, ?, ?, ?, ?)"
_EVENTS_OF_NEW: Final = """
INSERT INTO event (time, kind, holding, why) SELECT since, 'added', id, 'found' FROM holding
WHERE id > ?
"""


class HistoryFile:
    """An open history; the file is made if it is missing, and converted if it is of version 1.

    `between_steps` is called again and again while it catches up. Raises OSError, sqlite3.Error,
    DamagedError.
    """

    def __init__(self, path: Path, between_steps: Callable[[], object] = bool) -> None:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        # SQLite's own error does not say why, and its files take the mode of this one.
        file = open_regular(path, 0o640)
        st = os.fstat(file)
        os.close(file)
        self._between_steps = between_steps
        self.identity: Identity = st.st_dev, st.st_ino
        self._db = sqlite3.connect(path, timeout=1.0, isolation_level=None)
        try:
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA journal_size_limit = 16777216")
            schema.prepare(self._db)
            query = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'event'"
            self.last_seq: int = self._db.execute(query).fetchone()[0]
            """The number of the last event."""
        except (sqlite3.Error, DamagedError):
            self._db.close()
            raise

    def close(self) -> None:
        """Close it, and merge the write-ahead log unless another process has the file open."""
        self._db.close()

    def check(self) -> None:
        """Read the whole file; raises DamagedError."""
        (said,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise DamagedError(said)

    def first_appearances(self, most: int) -> Iterator[tuple[str, str, float]]:
        """(client, hostname, first seen) of the open leases and of the newest `most` holdings.

        The oldest come first. Read all of them before anything is written.
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
        """(network, address) of the open holdings whose claim to a name failed last."""
        sql = "SELECT network, address FROM holding WHERE until IS NULL AND verdict IS NOT NULL"
        return [(network, _address(at)) for network, at in self._db.execute(sql)]

    def past(self, since: float, most: int) -> list[Past]:
        """The open leases, and the newest `most` given back after `since` (Unix seconds)."""
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
        return [Past(network, _address(at), *rest) for network, at, *rest in found]

    def go_on_from(self, seq: int) -> None:
        """Give out no number up to `seq`."""
        if seq > self.last_seq:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.execute("DELETE FROM sqlite_sequence WHERE name = 'event'")
                self._db.execute("INSERT INTO sqlite_sequence VALUES ('event', ?)", (seq,))
            self.last_seq = seq

    def write(self, batch: Iterable[Happened | CatchUp]) -> None:
        """Store what happened, in order: all or, on an error, nothing."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for item in batch:
                if isinstance(item, CatchUp):
                    self._catch_up(item)
                else:
                    last = self._last(item.network, item.address)
                    self._store(holdings.after(last, item.what, item.wall), item.wall)

    def prune(self, before: float) -> bool:
        """Delete a step's worth of what had ended by `before`; returns whether there was any.

        The oldest holdings go first, with their events; then the oldest events of open holdings. If
        `before` is infinite, room is needed. Then the client with the most holdings loses its own
        first, so that no client pushes out the others.
        """
        values = {"before": before, "step": STEP, "most": MOST_OF_CLIENT}
        with self._db:
            run = self._db.execute
            run("BEGIN IMMEDIATE")
            oldest = [_OLDEST]
            if before == math.inf and (busiest := run(_BUSIEST, values).fetchone()):
                values["client"] = busiest[0]
                oldest.insert(0, _OLDEST_OF_CLIENT)
            gone = any(self._forget(which, values) for which in oldest)
            gone = gone or run(_FORGET_EVENTS, values).rowcount > 0
        self._db.executescript("PRAGMA incremental_vacuum")  # `execute` would step it only once
        return gone

    def size(self) -> int:
        """Bytes, without the write-ahead log."""
        query = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
        return int(self._db.execute(query).fetchone()[0])

    def _forget(self, which: str, values: dict[str, float]) -> bool:
        """Delete the holdings that the query `which` finds; returns whether there were any."""
        self._db.execute(f"DELETE FROM event WHERE holding IN ({which})", values)
        return self._db.execute(f"DELETE FROM holding WHERE id IN ({which})", values).rowcount > 0

    def _last(self, network: str, address: Address) -> StoredHolding | None:
        """The open holding of an address, else the last one that ended."""
        row = self._db.execute(_LAST, (addresses.text(address), network)).fetchone()
        return StoredHolding(*row) if row else None

    def _store(self, writes: Iterable[Write], wall: float) -> None:
        run = self._db.execute
        for old, new, kind, why, name in writes:
            holding = old.id if old is not None else 0
            if new is None:
                run("DELETE FROM event WHERE holding = ?", (holding,))
                run("DELETE FROM holding WHERE id = ?", (holding,))
            elif old is None:
                holding = run(_BEGIN + _ROW, _begun(new)).lastrowid or 0
            else:  # only the columns that differ: a renewal touches hardly any index
                differ = [c for c in _CHANGING if getattr(new, c) != getattr(old, c)]
                columns = ", ".join(f"{column} = ?" for column in differ)
                values = [getattr(new, column) for column in differ]
                run(f"UPDATE holding SET {columns} WHERE id = ?", [*values, holding])
            if kind is not None:
                self.last_seq = run(_EVENT, (holding, wall, kind, why, name)).lastrowid or 0

    def _catch_up(self, to: CatchUp) -> None:
        """Make the open holdings what `to` says, a step at a time."""
        wall = to.wall
        present: dict[str, dict[Address, LeaseChange | Neighbour]] = {}
        for at, one in enumerate(to.held):
            if at % _ROWS == 0:
                self._between_steps()
            there = one.new if isinstance(one, LeaseChange) else one
            if there is not None:
                present.setdefault(there.network, {})[there.address] = one
        for held in self._open_holdings():
            now = present.get(held.network, {}).pop(_address(held.address), None)
            self._store(holdings.after_unseen(held, now, wall), wall)
        for found in present.values():
            order = sorted(found)  # SQLite takes a third of the time
            for begin in range(0, len(order), _ROWS):
                self._between_steps()
                self._begin([found[at] for at in order[begin : begin + _ROWS]], wall)
        if to.lost:
            why = f"{to.lost} changes were not written: too much at once"
            lost = self._db.execute(_EVENT, (None, wall, "lost", why, None))
            self.last_seq = lost.lastrowid or 0

    def _begin(self, found: list[LeaseChange | Neighbour], wall: float) -> None:
        """Store holdings of addresses that have no open one: all of them, at a first start.

        One statement stores many leases. That is SQLite's fastest way, and meanwhile the event loop
        runs.
        """
        leases = [
            holdings.leased(one.new, one.first_seen, wall)
            for one in found
            if isinstance(one, LeaseChange) and one.new is not None
        ]
        if leases:
            (last,) = self._db.execute("SELECT coalesce(max(id), 0) FROM holding").fetchone()
            values = list(chain.from_iterable(map(_begun, leases)))
            self._db.execute(_BEGIN + ", ".join([_ROW] * len(leases)), values)
            self.last_seq = self._db.execute(_EVENTS_OF_NEW, (last,)).lastrowid or 0
        for one in found:
            if isinstance(one, Neighbour):
                last_there = self._last(one.network, one.address)
                self._store(holdings.after_sighting(last_there, one, wall, "found"), wall)

    def _open_holdings(self) -> Iterator[StoredHolding]:
        """All open holdings, a step at a time: the caller may write in between."""
        last = 0
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM holding").fetchone()
        while rows := self._db.execute(_OPEN, (last, newest, _ROWS)).fetchall():
            self._between_steps()
            last = rows[-1][0]
            yield from (StoredHolding(*row) for row in rows)


def _address(text: str) -> Address:
    """The address of a row; raises DamagedError."""
    try:
        return addresses.parse(text)
    except ValueError as error:
        raise DamagedError(str(error)) from None
