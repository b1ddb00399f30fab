"""Root reads a history whose file belongs to the service's user, who may put anything there."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from leasewatch.api import offline_history
from leasewatch.cli.leasewatch import main
from leasewatch.history import reader as history_reader
from leasewatch.history.file import HistoryFile
from leasewatch.paths import Paths
from tests.leasewatch.histories import add
from tests.leasewatch.leasing import lease
from tests.waiting import wait_for

NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
COLUMNS = "network, address, mac, since, until, ended, verdict, reason, domain, hostname, client_id"
MADE_UP = """'lab' AS network, '10.0.0.5' AS address, NULL AS mac, 1.0 AS since, NULL AS until,
    NULL AS ended, NULL AS verdict, NULL AS reason, NULL AS domain, NULL AS hostname,
    NULL AS client_id, 0 AS expires, 'lease' AS origin"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A host with a history of one lease, and no service."""
    paths = Paths(root=tmp_path)
    with closing(HistoryFile(paths.history)) as file:
        add(file, lease(5, "fedora"))
    return paths


def ask(paths: Paths, capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["history", *argv], paths)
    output = capsys.readouterr()
    return code, output.out, output.err


def beside(end: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        other = path.with_name(path.name + end)
        other.unlink(missing_ok=True)
        os.mkfifo(other)

    return make


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(target: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.rename(path.with_name("other"))
        path.symlink_to(target)

    return make


@pytest.mark.parametrize(
    "harm",
    [
        *(beside(end) for end in ("", "-wal", "-shm", "-journal")),
        folder,
        link("other"),
        link("nowhere"),
        link("/dev/zero"),
    ],
    ids=["FIFO", "FIFO-wal", "FIFO-shm", "FIFO-journal", "folder", "link", "dangling", "device"],
)
def test_only_a_regular_file_is_opened(
    paths: Paths, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None]
) -> None:
    harm(paths.history)
    code, out, err = ask(paths, capsys)
    assert (code, out) == (1, "")
    assert "is not a regular file\n  hint: leasewatch did not create it" in err


VIEWS = {
    "endless": f"{NUMBERS} SELECT i AS id, {MADE_UP} FROM n",
    "endless and empty": f"{NUMBERS} SELECT i AS id, {MADE_UP} FROM n WHERE i < 0",
    "of another table": f"SELECT id, {COLUMNS}, first_seen, expires, origin FROM other",
    "of nothing": f"SELECT 1 AS id, {MADE_UP}",
    "of the whole schema": f"SELECT rowid AS id, {MADE_UP} FROM sqlite_master",
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_a_view_is_not_looked_into(
    paths: Paths, capsys: pytest.CaptureFixture[str], view: str
) -> None:
    with closing(sqlite3.connect(paths.history)) as db:
        db.execute("ALTER TABLE holding RENAME TO other")
        db.execute(f"CREATE VIEW holding AS {view}")
    code, out, err = ask(paths, capsys)
    assert (code, out) == (1, "")
    assert "history.db: " in err


ROWS = {
    "a blob": "x'00ff'",
    "no UTF-8": "CAST(x'ff' AS TEXT)",
    "2 MB": "zeroblob(2000000)",
    "a word for a number": "'soon'",
    "no origin of ours": "'elsewhere'",
}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("address", "a blob"),
        ("hostname", "no UTF-8"),
        ("domain", "2 MB"),
        ("since", "a word for a number"),
        ("origin", "no origin of ours"),
    ],
)
def test_a_row_of_other_types_is_one_line_and_no_memory(
    paths: Paths, capsys: pytest.CaptureFixture[str], column: str, value: str
) -> None:
    with closing(sqlite3.connect(paths.history)) as db, db:
        db.execute(f"UPDATE holding SET {column} = {ROWS[value]}")
    for output in ("table", "json", "csv"):
        code, out, err = ask(paths, capsys, "-o", output)
        assert (code, out) == (1, "")
        assert "history.db" in err
        assert "Traceback" not in err


def test_a_table_of_another_programs_code_is_not_read(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(paths.history)) as db:
        db.execute("ALTER TABLE holding RENAME TO other")
        db.execute(f"CREATE VIRTUAL TABLE holding USING fts5 (id, {COLUMNS}, expires, origin)")
        db.execute("INSERT INTO holding (network) VALUES ('lab')")
        db.commit()
    code, out, err = ask(paths, capsys)
    assert (code, out) == (1, "")
    assert "history.db" in err


def test_a_page_that_takes_too_long_is_given_up(
    paths: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_reader, "PAGE_SECONDS", 0)
    monkeypatch.setattr(history_reader, "_STEPS", 1)
    code, out, err = ask(paths, capsys)
    assert (code, out) == (1, "")
    assert "has not answered within 0 s" in err


def test_a_file_replaced_by_a_fifo_blocks_no_reader(
    paths: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_reader, "_refuse_irregular", beside(""))
    monkeypatch.setattr(history_reader, "_BESIDE", ())
    monkeypatch.setattr(offline_history, "HISTORY_SECONDS", 0.5)

    def let_go() -> bool:
        try:
            os.close(os.open(paths.history, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # the other side has not come yet
            return False
        return True

    try:
        code, out, err = ask(paths, capsys)
        assert (code, out) == (1, "")
        assert "has not answered within 0.5 s" in err
    finally:
        wait_for("SQLite to open the FIFO", let_go)


@pytest.mark.skipif(os.geteuid() != 0, reason="root asks")
def test_root_reads_it_as_its_folders_owner_wherever_a_link_leads(
    paths: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.root.chmod(0o755)
    for path in (paths.history.parent, *paths.history.parent.iterdir()):
        os.chown(path, 65534, 65534)
    os.chown(paths.history, 0, 0)
    paths.history.chmod(0o644)
    users: list[int] = []
    opened = history_reader._opened

    def note(path: Path) -> sqlite3.Connection:
        users.append(os.geteuid())
        return opened(path)

    monkeypatch.setattr(history_reader, "_opened", note)
    assert ask(paths, capsys)[0] == 0
    assert users == [65534]
    assert os.geteuid() == 0


@pytest.mark.parametrize(
    "harm", [beside(""), folder, link("other")], ids=["FIFO", "folder", "link"]
)
def test_the_service_writes_to_a_regular_file_alone(
    paths: Paths, harm: Callable[[Path], None]
) -> None:
    harm(paths.history)
    with pytest.raises(OSError, match=r"regular file|directory|symbolic links"):
        HistoryFile(paths.history)
