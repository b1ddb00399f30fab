"""The history's file is damaged or taken away: what counts as damage, and what happens then."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from leasewatch.files.reading import identity
from leasewatch.history.damage import DamagedError, is_damage, set_aside
from leasewatch.history.file import HistoryFile
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import HistoryParameters
from nss_pyvirt.errors import UserError
from tests.leasewatch.histories import add, catch_up
from tests.leasewatch.leasing import WALL, lease


def garbage(path: Path) -> None:
    path.write_bytes(b"not a database, whatever its name" * 200)


def torn(path: Path) -> None:
    """Pages of the middle overwritten: it opens, and is not whole."""
    with path.open("r+b") as file:
        for page in range(2, 9):
            file.seek(4096 * page)
            file.write(b"\xa5" * 4096)


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 7")


def no_address(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE holding SET address = 'nowhere' WHERE id = 7")


def foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE cookies (name TEXT)")


@pytest.mark.parametrize("harm", [garbage, torn, newer, foreign])
def test_damage_is_noticed_and_set_aside_with_its_log(path: Path, harm: object) -> None:
    with closing(HistoryFile(path)) as file:
        add(file, *(lease(number) for number in range(1, 500)))
    assert callable(harm)
    harm(path)
    with (
        pytest.raises((DamagedError, sqlite3.DatabaseError)) as raised,
        closing(HistoryFile(path)) as file,
    ):
        file.check()
    assert is_damage(raised.value)
    harmed = path.read_bytes()
    log = path.with_name("history.db-wal")
    log.write_bytes(b"log")
    kept = set_aside(path, WALL)
    assert kept.read_bytes() == harmed
    assert Path(f"{kept}-wal").read_bytes() == b"log"
    assert sorted(path.parent.iterdir()) == [kept, Path(f"{kept}-wal")]
    with closing(HistoryFile(path)) as file:
        file.check()


def test_the_newest_damaged_files_are_kept(path: Path) -> None:
    for number in range(6):
        HistoryFile(path).close()
        path.with_name("history.db-wal").write_bytes(b"log")
        set_aside(path, WALL + number)
    kept = sorted(p.name for p in path.parent.iterdir())
    assert len(kept) == 6
    assert kept[-1] == "history.db.damaged-20650124T052005-wal"


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE])
def test_a_full_or_broken_disk_is_no_damage_of_the_file(code: int) -> None:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = code
    assert not is_damage(error)
    assert not is_damage(PermissionError(13, "Permission denied"))


def test_a_file_that_cannot_be_read_is_an_error_of_one_line(path: Path) -> None:
    path.parent.mkdir()
    garbage(path)
    with pytest.raises(UserError, match=r"history\.db: file is not a database"):
        next(HistoryReader(path).holdings(HistoryParameters()))
    path.unlink()
    assert list(HistoryReader(path).events(HistoryParameters())) == []
    with pytest.raises(UserError, match="the history is not written: No space left on device"):
        next(HistoryReader(path, lambda: "No space left on device").events(HistoryParameters()))


def test_its_path_may_lead_to_another_file(path: Path) -> None:
    with closing(HistoryFile(path)) as file:
        assert identity(path) == file.identity
        path.rename(path.with_name("elsewhere"))
        assert identity(path) != file.identity
        path.touch()
        assert identity(path) != file.identity


def test_a_row_without_an_address_is_damage(path: Path) -> None:
    with closing(HistoryFile(path)) as file:
        add(file, *(lease(number) for number in range(1, 9)))
    no_address(path)
    with closing(HistoryFile(path)) as file:
        for read in (lambda: file.past(0, 9), lambda: catch_up(file, wall=WALL)):
            with pytest.raises(DamagedError, match="'nowhere' is not an IP address"):
                read()
