"""The service converts a history of leasewatch 0.1.0 at its start; a kill leaves it whole."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from leasewatch.addresses import parse
from leasewatch.history.file import HistoryFile
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import HistoryParameters
from nss_pyvirt.errors import UserError
from tests.leasewatch.histories import CLAIMS_1, add, happened, holdings, take, write_version_1
from tests.leasewatch.leasing import WALL, change, lease

KILLED = 9


@pytest.fixture
def former(path: Path) -> Path:
    """A file of version 1."""
    write_version_1(path)
    return path


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_a_history_of_the_former_version_is_converted_and_goes_on(former: Path) -> None:
    with closing(HistoryFile(former)) as file:
        assert sorted(file.failing()) == [("lab", parse("10.0.0.2")), ("lab", parse("10.0.0.3"))]
        assert {h.address: h.claim for h in holdings(former)} == CLAIMS_1
        assert [h.name for h in holdings(former)] == ["vm1", None, "vm3"]
        take(file, change(lease(1, "vm1"), None), WALL + 60)
        add(file, lease(4, "vm4"))
        file.check()
    assert happened(former) == ["added"] * 3 + ["released", "added"]
    with closing(HistoryFile(former)):
        assert {h.address: h.claim for h in holdings(former)} == CLAIMS_1 | {"10.0.0.4": None}


def test_a_kill_at_any_moment_of_the_conversion_loses_nothing(former: Path) -> None:
    kills = 0
    steps = 10
    while True:
        child = os.fork()
        if child == 0:
            _convert_and_die(former, steps)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != KILLED:
            break
        kills += 1
        steps += steps // 2
        with closing(sqlite3.connect(former)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            columns = {row[1] for row in db.execute("PRAGMA table_info(holding)")}
        assert ("refusal" in columns, version(former)) in {(True, 1), (False, 2)}
    assert code == 0
    assert kills > 5
    with closing(HistoryFile(former)):
        assert {h.address: h.claim for h in holdings(former)} == CLAIMS_1


def _convert_and_die(path: Path, steps: int) -> None:
    """Open the file and end at once, without any cleaning up, after so many of SQLite's steps."""
    connect = sqlite3.connect

    def connected(*args: object, **more: object) -> sqlite3.Connection:
        db = connect(*args, **more)  # type: ignore[call-overload]
        db.set_progress_handler(lambda: os._exit(KILLED), steps)
        return db  # type: ignore[no-any-return]

    try:
        sqlite3.connect = connected  # type: ignore[assignment]
        HistoryFile(path)
        os._exit(0)
    finally:
        os._exit(2)


def test_a_command_that_reads_it_first_says_to_start_the_service(former: Path) -> None:
    with pytest.raises(UserError, match="was written by another version of leasewatch") as raised:
        next(HistoryReader(former).holdings(HistoryParameters()))
    assert raised.value.hint == "start the service, which converts it"
    assert version(former) == 1
