"""Lookups by several threads of one program at a time: how many a second they make together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench import states
from tests.bench.contestants import FILES, LIBVIRT, PYVIRT, Kind, contestant, whole
from tests.bench.counts import Counts
from tests.bench.harness import build, compete
from tests.bench.table import Row, Table, at_least, with_ratio

THREADS = (1, 2, 4, 8)
HOSTS, LINES = 1_000, 20
_TURNS = 5  # as long as those of one thread: to start and end costs more

HIT = Kind("nss_pyvirt: hit", PYVIRT)
KINDS = (
    Kind("bare open + fstat + preads + close", PYVIRT, "bare"),
    HIT,
    whole("pyvirt", PYVIRT),
    Kind("nss_files", FILES, keys="neighbours"),
    Kind("libnss_libvirt", LIBVIRT),
)

Times = Mapping[tuple[Kind, int], float]
"""Seconds of so many threads, by lookup."""


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the compiled program."""
    program = build("nssbench", folder)
    labels = {f"{kind.what}, {threads}": (kind, threads) for kind in KINDS for threads in THREADS}
    with states.put_back():
        plan = [
            contestant(label, kind, HOSTS, _TURNS * counts.turn_us, lines=lines, threads=threads)
            for label, (kind, threads) in labels.items()
            for lines in (LINES if kind.module is FILES else 0,)
        ]
        measured = compete(program, plan, counts.rounds)
    times = {labels[label]: time for label, time in measured.items()}
    title = "lookups a second, in thousands (x one thread)"
    return Table(
        title, list(_rows(times)), {n: "1 thread" if n == 1 else f"{n} threads" for n in THREADS}
    )


def _rows(times: Times) -> Iterator[Row]:
    for kind in KINDS:
        ratios = {threads: times[kind, 1] / times[kind, threads] for threads in THREADS}
        cells = {
            threads: with_ratio(f"{1e-3 / times[kind, threads]:,.0f}", ratios[threads])
            for threads in THREADS
        }
        if kind is HIT:
            yield at_least(kind.what, ratios[THREADS[-1]], 1.7, "x one", cells=cells)
        else:
            yield Row(kind.what, cells)
