"""Asks the history's file: who held which address when, and what happened. Read-only, blocking.

The service asks it in threads, the command line where there is no service. Each page opens the file
anew, so that nobody who reads slowly keeps the writer's log from being merged.

Root asks, too, and the file is the service user's: it is not trusted. It opens only a regular file,
reads only plain tables of ours, and gives a page a deadline.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

import msgspec

from leasewatch import addresses
from leasewatch.history.rows import MAX_ROWS, Event, HistoryParameters, Holding
from leasewatch.names import labels
from nss_pyvirt.errors import UserError

PAGE: Final = 500
"""Rows of a page."""
PAGE_SECONDS: Final = 20.0
"""How long a page may take."""
_STEPS: Final = 10_000
"""SQLite's steps between two looks at the clock."""
_LONGEST: Final = 1 << 20
"""Bytes of a row."""
_TABLES: Final = {"holding", "event"}
_FUNCTIONS: Final = {"coalesce", "nullif"}
_MAX_QUERY: Final = 2 * labels.MAX_NAME
"""Characters of NAME and NETWORK.SUFFIX: each of its labels costs a look, whoever asks."""
_BESIDE: Final = ("-wal", "-shm", "-journal")
"""What SQLite opens beside a database."""
_HINT: Final = "ask as root, or start the service"
_T = TypeVar("_T", list[Holding], list[Event])

# A name that was refused was never the holding's.
_NAME: Final = "coalesce(domain, CASE verdict WHEN 'refused' THEN NULL ELSE hostname END)"
_HOLDINGS: Final = f"""
SELECT holding.id, {_NAME} AS name, network, address, mac, since, until, ended,
    verdict || ': ' || reason AS claim, domain, hostname, client_id,
    nullif(expires, 0) AS expires, origin
FROM holding
WHERE (until IS NULL OR until >= :since) AND holding.id < :before AND ({{which}})
ORDER BY holding.id DESC LIMIT :page
"""
_EVENTS: Final = f"""
SELECT seq, time, kind, coalesce(event.name, {_NAME}) AS name, network, address, mac, why,
    domain, hostname, client_id
FROM event LEFT JOIN holding ON holding.id = event.holding
WHERE time >= :since AND seq < :before AND ({{which}})
ORDER BY seq DESC LIMIT :page
"""


class HistoryReader:
    """Reads the file at `path`; where there is none, `fault()` is why, or nothing has happened."""

    def __init__(self, path: Path, fault: Callable[[], str] = str) -> None:
        self._path = path
        self._fault = fault

    def holdings(self, asked: HistoryParameters) -> Iterator[list[Holding]]:
        """Pages of what was held at some time since then, the newest first; raises UserError."""
        for rows in self._pages(_HOLDINGS, asked, "id"):
            yield self._checked(rows, list[Holding])

    def events(self, asked: HistoryParameters) -> Iterator[list[Event]]:
        """Pages of what happened since then, the newest first; raises UserError."""
        for rows in self._pages(_EVENTS, asked, "seq"):
            yield self._checked(rows, list[Event])

    def _checked(self, rows: list[sqlite3.Row], kind: type[_T]) -> _T:
        try:
            return msgspec.convert([dict(row) for row in rows], kind)
        except msgspec.ValidationError as error:
            raise UserError(f"{self._path} is harmed: {error}", _HINT, "unavailable") from None

    def _pages(self, sql: str, asked: HistoryParameters, key: str) -> Iterator[list[sqlite3.Row]]:
        which, values = _which(asked.query)
        values |= {"since": asked.since or 0.0, "before": 1 << 62}
        left = MAX_ROWS if asked.limit is None else asked.limit
        while left > 0:
            rows = self._read(sql.format(which=which), values | {"page": min(left, PAGE)})
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            left -= len(rows)
            values["before"] = rows[-1][key]

    def _read(self, sql: str, values: dict[str, Any]) -> list[sqlite3.Row]:
        deadline = time.monotonic() + PAGE_SECONDS
        try:
            with closing(_opened(self._path)) as db:
                db.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
                return db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            if time.monotonic() > deadline:
                what = f"{self._path} has not answered within {PAGE_SECONDS:g} s"
                raise UserError(what, _HINT, "unavailable") from None
            if str(error).startswith("no such table") or _is_missing(self._path):
                if fault := self._fault():
                    raise UserError(
                        f"the history is not written: {fault}", code="unavailable"
                    ) from None
                return []
            if str(error).startswith("no such column"):
                what = f"{self._path} is of another version of leasewatch"
                hint = "start the service, which converts it"
                raise UserError(what, hint, "unavailable") from None
            raise UserError(f"{self._path}: {error}", _HINT, "unavailable") from None


def _opened(path: Path) -> sqlite3.Connection:
    for name in (path, *(path.with_name(f"{path.name}{end}") for end in _BESIDE)):
        _refuse_irregular(name)
    db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=1.0)
    try:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA trusted_schema = OFF")
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        db.set_authorizer(_authorize)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _refuse_irregular(path: Path) -> None:
    """UserError for a FIFO, say, which SQLite would wait for. A missing file is SQLite's affair."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        hint = f"leasewatch never makes it so; see what it is: ls -l {path}"
        raise UserError(f"{path} is not a regular file", hint, "unavailable")


def _authorize(
    action: int, first: str | None, second: str | None, _database: str | None, inside: str | None
) -> int:
    """sqlite3_set_authorizer(3): our SELECTs from our tables; no view, and nothing inside one."""
    allowed = inside is None and (
        action == sqlite3.SQLITE_SELECT
        or (action == sqlite3.SQLITE_READ and first in _TABLES)
        or (action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _is_missing(path: Path) -> bool:
    try:
        return not path.exists()
    except OSError:
        return False


def _which(query: str | None) -> tuple[str, dict[str, Any]]:
    """The condition of the holdings that are meant, and its values; None: all."""
    if query is None:
        return "TRUE", {}
    address = addresses.queried(query)
    if address is not None:
        return "address = :address", {"address": addresses.text(address)}
    with suppress(ValueError):
        return "client = :mac", {"mac": addresses.parse_mac(query)}
    if len(query) > _MAX_QUERY:
        return "FALSE", {}
    return _named(labels.fold(query))


def _named(name: str) -> tuple[str, dict[str, Any]]:
    """NAME, which may hold dots, or NAME.NETWORK.SUFFIX."""
    values: dict[str, Any] = {"name": name}
    ways = ["domain = :name", "hostname = :name COLLATE NOCASE"]
    parts = name.split(".")
    for end in range(1, len(parts) - 1):
        values |= {f"name{end}": ".".join(parts[:end]), f"network{end}": parts[end]}
        named = f"(domain = :name{end} OR hostname = :name{end} COLLATE NOCASE)"
        ways.append(f"(network = :network{end} AND {named})")
    return " OR ".join(ways), values
