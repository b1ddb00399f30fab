"""Tables: their rows and figures, as text or as Markdown. Measures nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

SIZES = (10, 100, 1_000, 10_000, 100_000)
"""Numbers of hosts."""

HOSTS = {size: f"{size:,} hosts" for size in SIZES}
"""They as columns, with the headings."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `cells` maps a column to a figure; `measured` stands beside `asked`."""

    what: str
    cells: Mapping[int, str] = field(default_factory=dict)
    measured: str = ""
    asked: str = ""
    met: bool | None = None
    """None where nothing was asked."""


@dataclass(frozen=True, slots=True)
class Table:
    """What one part of the benchmark measured; `columns` maps a column to its heading."""

    title: str
    rows: Sequence[Row]
    columns: Mapping[int, str] = field(default_factory=dict)
    measured: str = "measured"
    """The heading of what stands beside `asked`."""


def at_most(
    what: str,
    value: float,
    limit: float,
    unit: str,
    *,
    cells: Mapping[int, str] | None = None,
) -> Row:
    """A row whose figure may be `limit` at most; `unit` follows both, e.g. `ms`, `x bare`."""
    asked = f"<= {limit:,g} {unit}"
    return Row(what, cells or {}, f"{figure(value)} {unit}", asked, met=value <= limit)


def at_least(
    what: str,
    value: float,
    limit: float,
    unit: str,
    *,
    cells: Mapping[int, str] | None = None,
) -> Row:
    """A row whose figure must be `limit` at least."""
    asked = f">= {limit:,g} {unit}"
    return Row(what, cells or {}, f"{figure(value)} {unit}", asked, met=value >= limit)


def figure(value: float) -> str:
    """Three digits that count: 1.08, 14.6, 417, 6,218."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def duration(seconds: float) -> str:
    """A time in the unit that reads best."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= scale:
            return f"{figure(seconds / scale)} {unit}"
    return f"{figure(seconds / 1e-6)} µs"


def with_ratio(text: str, ratio: float) -> str:
    """A figure and, in brackets, what it is beside another."""
    return f"{text} ({figure(ratio)})"


def render(table: Table, *, markdown: bool) -> str:
    """The table with its headings, without empty columns; FIGURES.md holds it as Markdown."""
    heads = [*table.columns.values(), table.measured, "asked", ""]
    lines = [[table.title, *heads], *(_cells(row, table.columns) for row in table.rows)]
    columns = [column for column in zip(*lines, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    padded = [
        [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        for line in zip(*columns, strict=True)
    ]
    if not markdown:
        return "".join("  ".join(line).rstrip() + "\n" for line in padded)
    rule = ["-" * max(3, width) for width in widths]
    return "".join(f"| {' | '.join(line)} |\n" for line in [padded[0], rule, *padded[1:]])


def _cells(row: Row, columns: Iterable[int]) -> list[str]:
    verdict = {None: "", True: "ok", False: "missed"}[row.met]
    figures = [row.cells.get(column, "") for column in columns]
    return [row.what, *figures, row.measured, row.asked, verdict]
