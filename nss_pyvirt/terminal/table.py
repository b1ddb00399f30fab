"""Columns of text side by side. Pure: the width of the terminal is an argument.

A table is its columns by key, each with its heading.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Final

    Table = Mapping[str, Sequence[str]]

NOTHING: Final = "-"
"""What a cell without a value holds."""
_GAP: Final = 2
_INDENT: Final = 4
_SENTENCE: Final = 24
"""A last cell that has less room, and needs more, starts on the next line."""
_CHOSEN: Final = "name"
"""The column that a guest fills as it likes."""


def plain(table: Table) -> str:
    """Every column, as wide as its widest cell."""
    line = (" " * _GAP).join(f"%-{max(map(len, column))}s" for column in table.values())
    return "".join([f"{(line % row).rstrip()}\n" for row in zip(*table.values(), strict=True)])


def fitted(table: Table, wide: Mapping[str, int], terminal: int) -> str:
    """The table for a terminal of so many columns.

    `wide`: the least width of a terminal that shows a column; the others are always shown. So the
    columns depend on the terminal alone, not on what the table holds. An overlong name widens its
    own row only. The last cell may be a sentence, which continues below itself.
    """
    shown = {key: cells for key, cells in table.items() if wide.get(key, 0) <= terminal}
    widths = [max(map(len, column)) for column in shown.values()]
    if _CHOSEN in shown:
        lengths = [n for n in map(len, shown[_CHOSEN]) if n <= max(terminal // 6, len(_CHOSEN))]
        widths[[*shown].index(_CHOSEN)] = max(lengths, default=0)
    rows = zip(*shown.values(), strict=True)
    return "".join(f"{line}\n" for row in rows for line in _lines(row, widths, terminal))


def _lines(row: Sequence[str], widths: Sequence[int], terminal: int) -> Iterator[str]:
    *cells, last = row
    head = _joined(cells, widths[:-1])
    start = max(len(head), sum(widths[:-1]) + _GAP * (len(cells) - 1)) + _GAP if cells else 0
    if terminal - start < min(_SENTENCE, len(last)):
        yield head
        if last == NOTHING:
            return
        head, start = "", _INDENT
    for line in _wrapped(last, max(1, terminal - start)):
        yield f"{head.ljust(start)}{line}".rstrip()
        head = ""


def _wrapped(sentence: str, width: int) -> Sequence[str]:
    if len(sentence) <= width:
        return [sentence]
    import textwrap  # noqa: PLC0415  start-up time

    return textwrap.wrap(sentence, width, break_long_words=False) or [""]


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return (" " * _GAP).join(padded).rstrip()
