"""Columns of text side by side: all of them for a pipe, as many as fit for a terminal.

Pure: it is told how wide the terminal is. A table is its columns by key, each with its heading.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

Table = Mapping[str, Sequence[str]]

NOTHING: Final = "-"
"""What a cell without a value holds."""
_GAP: Final = 2
_INDENT: Final = 4
_SENTENCE: Final = 24
"""One that has less room, and needs more, has the next line for itself."""
_CHOSEN: Final = "name"
"""The column that a guest fills as it likes."""


def plain(table: Table) -> str:
    """Every column, as wide as its widest cell."""
    widths = [max(map(len, column)) for column in table.values()]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in zip(*table.values(), strict=True)
    )


def fitted(table: Table, spare: Sequence[str], terminal: int) -> str:
    """The table for a person at a terminal of so many columns.

    A column of nothing is left out. If the rest is too wide, an overlong name takes a line of its
    own, and the `spare` columns go, as many as need be; if that does not help, each row goes on in
    the next line, indented. Only the last column may be a sentence, which goes on at its words.
    """
    left = {key: column for key, column in table.items() if not _is_empty(column)}
    widths = {key: max(map(len, column)) for key, column in left.items()}
    if not _fits(left, widths, terminal) and _CHOSEN in left:
        widths[_CHOSEN] = max(n for n in map(len, left[_CHOSEN]) if n <= max(terminal // 4, 4))
    for key in spare:
        if _fits(left, widths, terminal):
            break
        if len(left) > 1 and key in left:
            del left[key], widths[key]
    places = _places(left, widths, terminal)
    rows = zip(*left.values(), strict=True)
    return "".join(f"{line}\n" for row in rows for line in _lines(row, places, terminal))


def _is_empty(column: Sequence[str]) -> bool:
    return len(column) > 1 and all(cell == NOTHING for cell in column[1:])


def _needs(table: Table, widths: Mapping[str, int]) -> list[int]:
    """The least width of each column: of the last one, which may hold sentences, a first word."""
    *first, last = table
    return [*(widths[key] for key in first), max(len(c.split(" ")[0]) for c in table[last])]


def _fits(table: Table, widths: Mapping[str, int], terminal: int) -> bool:
    needs = _needs(table, widths)
    return sum(needs) + _GAP * (len(needs) - 1) <= terminal


def _places(table: Table, widths: Mapping[str, int], terminal: int) -> list[tuple[int, int]]:
    """Of each column, in which line of a row it is and where it begins."""
    places: list[tuple[int, int]] = []
    line = at = 0
    for need in _needs(table, widths):
        if places and at + need > terminal:
            line, at = line + 1, _INDENT
        places.append((line, at))
        at += need + _GAP
    return places


def _lines(row: Sequence[str], places: Sequence[tuple[int, int]], terminal: int) -> Iterator[str]:
    """A row's lines; but for the first, none that says nothing."""
    lines = [""]
    former = 0
    for cell, (line, at) in zip(row[:-1], places[:-1], strict=True):
        left = at if at + len(cell) <= terminal else max(_INDENT, terminal - len(cell))
        if line != former or len(lines[-1]) > max(at - _GAP, 0) or (left < at and lines[-1]):
            lines.append("")
        lines[-1], former = lines[-1].ljust(min(left, at)) + cell, line
    line, at = places[-1]
    if terminal - at < min(_SENTENCE, len(row[-1])):
        at = _INDENT
    if line != former or len(lines[-1]) > max(at - _GAP, 0):
        lines.append("")
    lines += _wrapped(row[-1], lines.pop().ljust(at), terminal)
    yield lines[0].rstrip()
    yield from (text.rstrip() for text in lines[1:] if set(text) - {" ", NOTHING})


def _wrapped(sentence: str, before: str, terminal: int) -> list[str]:
    """The sentence, which goes on below itself."""
    return textwrap.wrap(
        sentence,
        terminal,
        initial_indent=before,
        subsequent_indent=" " * len(before),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [before]
