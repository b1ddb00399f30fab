"""The benchmark's own arithmetic and C programs: a wrong figure would go unnoticed for long."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.bench import population
from tests.bench.harness import Contestant, build, compete, system_calls
from tests.bench.table import (
    HOSTS,
    Row,
    Table,
    at_least,
    at_most,
    duration,
    figure,
    render,
    with_ratio,
)
from tests.bench.timing import BenchError, percentile, quietest, whole_process


@pytest.mark.parametrize(
    ("value", "text"), [(1.084, "1.08"), (14.61, "14.6"), (417.2, "417"), (6218.0, "6,218")]
)
def test_a_figure_has_three_digits_that_count(value: float, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.05e-6, "4.05 µs"), (0.0123, "12.3 ms"), (2.5, "2.50 s")]
)
def test_a_duration_is_written_in_the_unit_that_reads_best(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_was_asked_is_met_up_to_the_limit_and_missed_beyond() -> None:
    assert [at_most("", value, 1.3, "x").met for value in (1.3, 1.31)] == [True, False]
    assert [at_least("", value, 12, "x").met for value in (12, 11.9)] == [True, False]


def test_a_table_shows_every_cell_of_every_row_and_the_verdicts() -> None:
    rows = [
        at_most("hit", 1.12, 1.3, "x bare", cells={10: "4 µs", 100_000: "5 µs"}),
        at_least("peer", 11.2, 12, "x"),
        Row("bare", {100: with_ratio("3 µs", 1)}),
    ]
    table = Table("a lookup", rows, HOSTS)
    shown = [" ".join(line.split()) for line in render(table, markdown=False).splitlines()]
    assert shown == [
        "a lookup 10 hosts 100 hosts 100,000 hosts measured asked",
        "hit 4 µs 5 µs 1.12 x bare <= 1.3 x bare ok",
        "peer 11.2 x >= 12 x missed",
        "bare 3 µs (1.00)",
    ]


def test_a_markdown_table_has_the_same_number_of_columns_in_each_line() -> None:
    rows = [Row("bare", {10: "3 µs"}), Row("hit", {100: "4 µs"}, measured="1.1 x")]
    table = render(Table("a lookup", rows, HOSTS), markdown=True).splitlines()
    assert {line.count("|") for line in table} == {5}
    assert set(table[1]) == {"|", "-", " "}


def test_the_quietest_is_the_median_of_the_fastest_fifth() -> None:
    slow = [1.65 + i / 100 for i in range(12)]
    assert quietest([*slow, 1.02, 1.0, 1.01]) == 1.01


def test_a_percentile_is_the_nearest_rank() -> None:
    assert percentile(list(range(1, 101)), 50) == 50
    assert percentile(list(range(1, 101)), 99) == 99
    assert percentile([7], 99) == 7


@pytest.mark.parametrize(
    "command", [["false"], ["sleep", "30"]], ids=["a failing one", "a lingering one"]
)
def test_a_program_that_does_not_end_well_gives_no_time(command: list[str]) -> None:
    with pytest.raises(BenchError, match=command[0]):
        whole_process(command, deadline=0.2)


def test_hosts_are_as_many_as_asked_and_all_different() -> None:
    guests = population.hosts(100_000)
    for field in ("name", "address", "mac"):
        assert len({getattr(host, field) for host in guests}) == 100_000


def _asks_nss_files(folder: Path, *, name: str, hit: bool, threads: int = 0) -> Contestant:
    keys = folder / "keys"
    keys.write_text(f"{name}\n")
    return Contestant(f"{name}, {hit}", "name4", keys, calls=8, threads=threads, hit=hit)


@pytest.mark.parametrize("threads", [0, 1, 8])
def test_contestants_are_timed_when_they_answer_as_expected(threads: int, tmp_path: Path) -> None:
    contestant = _asks_nss_files(tmp_path, name="no.such.name.invalid", hit=False, threads=threads)
    times = compete(build("nssbench", tmp_path), [contestant], rounds=2)
    assert times[contestant.label] > 0


def test_a_contestant_that_answers_otherwise_ends_the_run(tmp_path: Path) -> None:
    contestant = _asks_nss_files(tmp_path, name="no.such.name.invalid", hit=True)
    with pytest.raises(BenchError, match="answered 0 instead of 1"):
        compete(build("nssbench", tmp_path), [contestant], rounds=1)


def test_system_calls_are_those_of_one_look_up_in_the_order_of_time(tmp_path: Path) -> None:
    contestant = _asks_nss_files(tmp_path, name="no.such.name.invalid", hit=False)
    calls = system_calls(build("nssbench", tmp_path), contestant)
    assert calls["openat"] == calls["close"] == 1
    assert next(iter(calls)) == "openat"
    assert "execve" not in calls


def test_files_are_put_in_place_before_each_turn(tmp_path: Path) -> None:
    target, source = tmp_path / "target", tmp_path / "source"
    source.write_text("new")
    target.write_text("old")
    contestant = _asks_nss_files(tmp_path, name="no.such.name.invalid", hit=False)
    line = contestant.line().rstrip("\n") + f"\t{source}\t{target}\n"
    subprocess.run([build("nssbench", tmp_path), "2"], input=line, text=True, check=True)
    assert target.read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("keys", "nssbench", "source", "target")
    ]


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("program", ["nssbench", "leaselag"])
def test_the_c_programs_compile_without_a_warning(
    compiler: str, program: str, tmp_path: Path
) -> None:
    source = Path(__file__).parent / "bench" / f"{program}.c"
    strict = ["-std=c11", "-O2", "-pthread", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    subprocess.run([compiler, *strict, "-o", tmp_path / program, source], check=True)
