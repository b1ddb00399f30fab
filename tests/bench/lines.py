"""Whole getaddrinfo beside the system's own /etc/hosts, with 2, 20 and 200 lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench import states
from tests.bench.contestants import FILES, PYVIRT, Kind, contestant, whole
from tests.bench.counts import Counts
from tests.bench.harness import build, compete
from tests.bench.table import Row, Table, at_most, duration, with_ratio

LINES = (2, 20, 200)
ASKED_AT = 20
HOSTS = 1_000
"""In our table, beside those lines."""

YARDSTICK = whole("files", FILES, keys="neighbours")
LIMITS = {whole("pyvirt", PYVIRT): 1.15, whole("files pyvirt", PYVIRT): 2.0}
KINDS = (
    Kind("nss_files", FILES, keys="neighbours"),
    Kind("nss_pyvirt: hit", PYVIRT),
    YARDSTICK,
    *LIMITS,
)

Times = Mapping[tuple[Kind, int], float]
"""Seconds per lookup of each kind with so many lines."""


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the compiled program."""
    program = build("nssbench", folder)
    labels = {f"{kind.what}, {lines}": (kind, lines) for lines in LINES for kind in KINDS}
    with states.put_back():
        plan = [
            contestant(label, kind, HOSTS, counts.turn_us, lines=lines)
            for label, (kind, lines) in labels.items()
        ]
        measured = compete(program, plan, counts.rounds)
    times = {labels[label]: time for label, time in measured.items()}
    title = "beside /etc/hosts, p50 (x getaddrinfo, hosts: files)"
    return Table(title, list(_rows(times)), {lines: f"{lines} lines" for lines in LINES})


def _rows(times: Times) -> Iterator[Row]:
    for kind in KINDS:
        ratios = {lines: times[kind, lines] / times[YARDSTICK, lines] for lines in LINES}
        cells = {lines: with_ratio(duration(times[kind, lines]), ratios[lines]) for lines in LINES}
        if kind in LIMITS:
            unit = f"x files at {ASKED_AT}"
            yield at_most(kind.what, ratios[ASKED_AT], LIMITS[kind], unit, cells=cells)
        else:
            yield Row(kind.what, cells)
