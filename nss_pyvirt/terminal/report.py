"""Print the rows of checks: aligned, one below the other, each with what to type."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby

from nss_pyvirt.checks import Row
from nss_pyvirt.terminal import frame

_HEADING = ("STATE", "SUBJECT", "DETAIL")
_KEYS = tuple(word.lower() for word in _HEADING)
_MOST = 4
"""Rows of one subject."""
_HINT = f"{' ' * (len(_HEADING[0]) + 2)}hint: "
_LEAST = 24
"""Characters of a detail, however narrow the terminal is."""


def write(rows: Sequence[Row], output: str, again: str = "") -> int:
    """Print the rows as `table` or `json`. The result is the exit code: 1 if one is bad.

    `again`: the command that root types to check the rest.
    """
    if output == "json":
        found = [row._asdict() | {"fix": row.fix or None} for row in rows]
        frame.write(frame.render(found, _KEYS, "json", name="subject"))
    else:
        shown = list(_few(rows))
        frame.write("".join(f"{line}\n" for line in _lines(shown, frame.terminal_width())))
    if again and any(row.state == "root" for row in rows):
        frame.print_hint(again)
    return int(any(row.state == "bad" for row in rows))


def _few(rows: Sequence[Row]) -> Iterator[Row]:
    """A subject's first rows, and how many more there are: a hundred would hide the others."""
    for subject, group in groupby(rows, key=lambda row: row.subject):
        found = list(group)
        if len(found) <= _MOST:
            yield from found
            continue
        more = found[_MOST - 1 :]
        worst = "bad" if any(row.state == "bad" for row in more) else more[0].state
        yield from found[: _MOST - 1]
        yield Row(worst, subject, f"and {len(more)} more, which -o json lists")


def _lines(rows: Sequence[Row], terminal: int) -> Iterator[str]:
    """`terminal`: the characters of a line; 0: any number."""
    wide = max(len(row.subject) for row in (*rows, Row("ok", _HEADING[1], "")))
    start = len(_HEADING[0]) + 2 + wide + 2
    yield "  ".join([_HEADING[0], _HEADING[1].ljust(wide), _HEADING[2]])
    for at, row in enumerate(rows):
        head = f"{row.state.ljust(len(_HEADING[0]))}  {row.subject.ljust(wide)}  "
        for line in _wrapped(frame.printable(row.detail), terminal - start if terminal else 0):
            yield f"{head.ljust(start)}{line}".rstrip()
            head = ""
        if row.fix and all(later.fix != row.fix for later in rows[at + 1 :]):  # once is enough
            yield f"{_HINT}{frame.printable(row.fix)}"


def _wrapped(sentence: str, width: int) -> Sequence[str]:
    if not width or len(sentence) <= width:
        return [sentence]
    return textwrap.wrap(sentence, max(_LEAST, width), break_long_words=False) or [""]
