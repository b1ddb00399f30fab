"""Reads the history's file: who held which address when, and what happened. Blocking.

The service reads in threads; a command reads if no service runs. Each page opens the file again, so
a slow reader never keeps SQLite from merging the writer's log.

The reader may be root, but the file belongs to the service's user. So it opens only a regular file
and reads only our own tables, and each page has a deadline.
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
"""SQLite's steps between two checks of the clock."""
_LONGEST: Final = 1 << 20
"""Bytes of a row."""
_TABLES: Final = {"holding", "event"}
_FUNCTIONS: Final = {"coalesce", "nullif"}
_MAX_QUERY: Final = 2 * labels.MAX_NAME
"""Characters of a name; each further label makes the query longer."""
_BESIDE: Final = ("-wal", "-shm", "-journal")
"""The other files of a database that SQLite opens."""
_T = TypeVar("_T", list[Holding], list[Event])

# A holding never had a name that was refused.
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
    """Reads the file at `path`. If there is none, `fault()` says why; empty: nothing has happened.

    Its methods raise UserError.
    """

    def __init__(self, path: Path, fault: Callable[[], str] = str) -> None:
        self._path = path
        self._fault = fault

    def holdings(self, asked: HistoryParameters) -> Iterator[list[Holding]]:
        """Pages of the holdings that were open at some time since then, the newest first."""
        return self._pages(_HOLDINGS, asked, "id", list[Holding])

    def events(self, asked: HistoryParameters) -> Iterator[list[Event]]:
        """Pages of what happened since then, the newest first."""
        return self._pages(_EVENTS, asked, "seq", list[Event])

    def _pages(self, sql: str, asked: HistoryParameters, key: str, kind: type[_T]) -> Iterator[_T]:
        which, values = _which(asked.query)
        values |= {"since": asked.since or 0.0, "before": 1 << 62}
        left = MAX_ROWS if asked.limit is None else asked.limit
        while left > 0:
            rows = self._read(sql.format(which=which), values | {"page": min(left, PAGE)})
            if rows:
                try:
                    yield msgspec.convert([dict(row) for row in rows], kind)
                except msgspec.ValidationError as error:
                    raise _unavailable(f"{self._path} is damaged: {error}") from None
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
                raise _unavailable(what) from None
            if str(error).startswith("no such table") or _is_missing(self._path):
                if fault := self._fault():
                    raise _unavailable(f"the history is not written: {fault}", "") from None
                return []
            if str(error).startswith("no such column"):
                what = f"{self._path} was written by another version of leasewatch"
                raise _unavailable(what, "start the service, which converts it") from None
            raise _unavailable(f"{self._path}: {error}") from None


def _unavailable(what: str, hint: str = "run it with sudo, or start the service") -> UserError:
    return UserError(what, hint, "unavailable")


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
    """Raise UserError for a FIFO, for example: SQLite would wait for its writer."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return
    if not stat.S_ISREG(mode):
        hint = f"leasewatch did not create it: see ls -l {path}"
        raise _unavailable(f"{path} is not a regular file", hint)


def _authorize(
    action: int, first: str | None, second: str | None, _database: str | None, inside: str | None
) -> int:
    """Allow SELECT from our tables, but no view and nothing inside one (sqlite3_set_authorizer)."""
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
    """The SQL condition for a name, an address or a MAC, and its values; None: everything."""
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
    """The condition for NAME, which may contain dots, or NAME.NETWORK.SUFFIX."""
    values: dict[str, Any] = {"name": name}
    ways = ["domain = :name", "hostname = :name COLLATE NOCASE"]
    parts = name.split(".")
    for end in range(1, len(parts) - 1):
        values |= {f"name{end}": ".".join(parts[:end]), f"network{end}": parts[end]}
        named = f"(domain = :name{end} OR hostname = :name{end} COLLATE NOCASE)"
        ways.append(f"(network = :network{end} AND {named})")
    return " OR ".join(ways), values
