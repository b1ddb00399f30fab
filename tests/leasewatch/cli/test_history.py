"""`leasewatch history` without a service: what it prints of a history's file, what it refuses."""

from __future__ import annotations

import csv
import io
import json
import time
from contextlib import closing
from pathlib import Path

import pytest

from leasewatch.cli.leasewatch import main
from leasewatch.history.file import HistoryFile
from leasewatch.model import LeaseChange
from leasewatch.paths import Paths
from nss_pyvirt.terminal import show
from tests.leasewatch.histories import take
from tests.leasewatch.leasing import change, claim, lease

DAY = 86400
NOW = time.time()
WEB, LIAR, DB = lease(5, "fedora"), lease(6, "wpad"), lease(7, "db")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A host that had a domain web1 and a guest db at one address, and a liar; no service."""
    paths = Paths(root=tmp_path)
    then = NOW - 3 * DAY
    late = lease(5, "db", client=7)
    happened: list[tuple[LeaseChange, float]] = [
        (change(None, WEB), then),
        (change(None, LIAR), then + 60),
        (change(WEB, None), then + DAY),
        (change(None, late), NOW - 3600),
    ]
    with closing(HistoryFile(paths.history)) as file:
        for changed, wall in happened[:2]:
            take(file, changed, wall)
        take(file, claim(WEB, "published", "owner"), then + 1)
        take(file, claim(LIAR, "refused", name="wpad"), then + 61)
        for changed, wall in happened[2:]:
            take(file, changed, wall)
    return paths


def run(paths: Paths, capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["history", *argv], paths)
    output = capsys.readouterr()
    return code, output.out, output.err


def cells(line: str) -> list[str]:
    return [" ".join(cell.split()) for cell in line.split("  ") if cell.strip()]


def test_it_answers_who_an_address_was_and_when(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(paths, capsys, "10.0.0.5")
    assert code == 0
    down, _hint = err.splitlines()
    assert str(paths.history) in down
    heads, first, second = map(cells, out.splitlines())
    assert heads == ["NAME", "NETWORK", "ADDRESS", "MAC", "SINCE", "UNTIL", "STATE"]
    assert first == [
        "web1", "lab", "10.0.0.5", "52:54:00:00:00:05",
        show.moment(NOW - 3 * DAY), show.moment(NOW - 2 * DAY), "released",
    ]  # fmt: skip
    assert second == [
        "db", "lab", "10.0.0.5", "52:54:00:00:00:07", show.moment(NOW - 3600), "-", "holds",
    ]  # fmt: skip


def test_since_leaves_out_what_had_ended(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(run(paths, capsys, "10.0.0.5", "--since", "1d")[1].splitlines()) == 2
    assert len(run(paths, capsys, "10.0.0.5", "--since", "52h")[1].splitlines()) == 3


def test_a_claim_that_was_refused_is_found_under_the_name_that_it_was_for(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    row = cells(run(paths, capsys, "wpad")[1].splitlines()[1])
    assert (row[0], row[2], row[-1]) == ("-", "10.0.0.6", "holds; refused: it is refused")
    (row,) = json.loads(run(paths, capsys, "wpad", "-o", "json")[1])
    assert (row["name"], row["hostname"], row["until"]) == (None, "wpad", None)


def test_events_come_in_order_and_programs_get_their_numbers(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [cells(line) for line in run(paths, capsys, "--events")[1].splitlines()]
    assert lines[0] == ["TIME", "EVENT", "NAME", "NETWORK", "ADDRESS", "MAC", "WHY"]
    assert [(row[1], row[2]) for row in lines[1:]] == [
        ("added", "web1"),
        ("added", "-"),
        ("named", "web1"),
        ("refused", "wpad"),
        ("released", "web1"),
        ("added", "db"),
    ]
    assert lines[4][-1] == "it is refused"
    numbered = csv.DictReader(io.StringIO(run(paths, capsys, "--events", "-o", "csv")[1]))
    assert [row["seq"] for row in numbered] == ["1", "2", "3", "4", "5", "6"]
    recent = run(paths, capsys, "--events", "--since", "1d", "-o", "json")[1]
    assert [row["seq"] for row in json.loads(recent)] == [6]


def test_csv_and_names_are_for_programs(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(run(paths, capsys, "-o", "csv")[1])))
    assert [row["name"] for row in rows] == ["web1", "", "db"]
    assert float(rows[0]["until"]) == pytest.approx(NOW - 2 * DAY)
    assert rows[2]["until"] == ""
    assert run(paths, capsys, "-o", "name")[1].split() == ["web1", "db"]
    assert run(paths, capsys, "--events", "-o", "name")[1].split() == ["web1", "wpad", "db"]


def test_json_and_csv_have_the_words_of_the_table(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    for argv in (["wpad"], ["wpad", "--events"]):
        heads = cells(run(paths, capsys, *argv)[1].splitlines()[0])
        row, *_ = json.loads(run(paths, capsys, *argv, "-o", "json")[1])
        line, *_ = csv.DictReader(io.StringIO(run(paths, capsys, *argv, "-o", "csv")[1]))
        assert {head.lower() for head in heads} <= row.keys() & line.keys()
        assert line.keys() <= row.keys()
    (holding,) = json.loads(run(paths, capsys, "wpad", "-o", "json")[1])
    assert (holding["state"], holding["claim"]) == ("holds", "refused: it is refused")


def test_a_limit_gives_the_newest_and_says_so(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(paths, capsys, "-n", "1")
    assert (code, cells(out.splitlines()[1])[0]) == (0, "db")
    assert "showing the newest 1; use --limit for more" in err
    code, out, err = run(paths, capsys, "-n", "3")
    assert (code, len(out.splitlines()), "--limit" in err) == (0, 4, False)


FAILURES = {
    "an unknown name": (["web9"], 3, 'nothing is known of "web9"'),
    "an unknown address": (["10.9.9.9"], 3, 'nothing is known of "10.9.9.9"'),
    "nothing since then": (
        ["web1", "--since", "1h"],
        3,
        'nothing is known of "web1" since then\n  hint: omit --since to look further back\n',
    ),
    "nothing at all": (
        ["--events", "--since", "1m"],
        3,
        "nothing has happened since then\n  hint: omit --since",
    ),
    "since nothing": (["web1", "--since"], 2, "hint: leasewatch history web1 --help"),
    "no time": (["--since", "soon"], 2, '"soon": not a time like 2h, 3d, today, yesterday'),
    "a time to come": (["--since", "2099-01-01"], 2, '"2099-01-01": that is in the future'),
    "a time that drives the terminal": (
        ["--since", "\x1b[2J"],
        2,
        '"\\x1b[2J": not a time like 2h',
    ),
    "no limit": (["--limit", "0"], 2, '"0" is not a whole number from 1'),
    "two names": (["web1", "web2"], 2, "leasewatch: unexpected argument (web2)"),
    "a name that drives the terminal": (["\x1b[2J"], 3, 'nothing is known of "\\x1b[2J"'),
}


@pytest.mark.parametrize(("argv", "code", "said"), FAILURES.values(), ids=FAILURES)
def test_failures_have_their_exit_code_and_say_what(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, said: str
) -> None:
    got, out, err = run(paths, capsys, *argv)
    assert (got, out) == (code, "")
    assert said in err
    assert "\x1b" not in err


def test_without_a_history_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = Paths(root=tmp_path)
    code, _, err = run(paths, capsys)
    assert (code, f"no history yet: {paths.history} does not exist" in err) == (1, True)
    paths.history.parent.mkdir(parents=True)
    paths.history.touch()
    code, _, err = run(paths, capsys)
    assert (code, err.splitlines()[-1]) == (3, "leasewatch: nothing has happened yet")
    paths.history.write_bytes(b"no database at all")
    code, _, err = run(paths, capsys)
    assert (code, "file is not a database" in err) == (1, True)
