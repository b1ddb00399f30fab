"""A terminal recording (asciicast v2) as text that appears at its recorded times, by CSS alone.

The text is there as a whole without CSS, for readers, search and print. Lines that the terminal
wrote over are left out: of each line, what it was last is shown.
"""

from __future__ import annotations

import html
import itertools
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

LONGEST_PAUSE = 1.5
"""Seconds: a longer time in which no text comes that stays is shortened to this."""
_PIECE = re.compile(r"\x1b\[\??[\d;]*([A-Za-z])|\x1b[=>]|(.)", re.DOTALL)


@dataclass(frozen=True)
class Cell:
    """A character, and when it appeared, in seconds."""

    character: str
    time: float


class _Terminal:
    """Lines of cells, for what a shell and our commands write. It is high enough for all lines."""

    def __init__(self) -> None:
        self.lines: list[list[Cell]] = [[]]
        self._column = 0

    def write(self, text: str, time: float) -> None:
        """Take one event. Raises ValueError for a move that this terminal does not know."""
        for move, character in _PIECE.findall(text):
            if move == "K":
                del self.lines[-1][self._column :]
            elif move and move not in "hlm":  # modes, colours
                raise ValueError(f"the recording moves the cursor: {move}")
            elif character:
                self._put(character, time)

    def _put(self, character: str, time: float) -> None:
        if character == "\n":
            self.lines.append([])
        if character in "\r\n":
            self._column = 0
        elif character == "\b":
            self._column -= 1
        elif character != "\a":
            cell = Cell(character, time)
            self.lines[-1][self._column : self._column + 1] = [cell]
            self._column += 1


def cells(cast: str) -> list[list[Cell]]:
    """The lines of a recording, each cell with its time. Raises ValueError for what it cannot."""
    head, *events = map(json.loads, cast.splitlines())
    if head["version"] != 2:
        raise ValueError("not an asciicast of version 2")
    terminal = _Terminal()
    for time, kind, text in events:
        if kind == "o":
            terminal.write(text, time)
    return _without_pauses(terminal.lines)


def _without_pauses(lines: list[list[Cell]]) -> list[list[Cell]]:
    """The same, with each time without a new character shortened to LONGEST_PAUSE."""
    shown = last = 0.0
    new_times = {}
    for time in sorted({cell.time for line in lines for cell in line}):
        shown += min(time - last, LONGEST_PAUSE)
        last = time
        new_times[time] = round(shown, 2)
    return [[replace(cell, time=new_times[cell.time]) for cell in line] for line in lines]


def section(cast: Path) -> str:
    """The recording with its controls: play, pause, and the whole text."""
    lines = cells(cast.read_text())
    while not lines[-1] or not "".join(cell.character for cell in lines[-1]).strip("$ "):
        lines.pop()
    text = "\n".join(map(_line, lines))
    return _SECTION.replace("TEXT", text)


def _line(line: list[Cell]) -> str:
    """A line as pieces of one time; a prompt and the command behind it are marked."""
    typed = "".join(cell.character for cell in line[:2]) == "$ "
    pieces = []
    for at, cell in enumerate(line):
        kind = "" if not typed else ' class="prompt"' if at < 2 else ' class="typed"'
        pieces.append((cell.time, kind, html.escape(cell.character)))
    return "".join(
        f'<span style="--at:{time}s"{kind}>{"".join(text for _, _, text in group)}</span>'
        for (time, kind), group in itertools.groupby(pieces, key=lambda piece: piece[:2])
    )


_SECTION = """<section class="watch">
<h2>See it run</h2>
<p>A real run: a first VM, its name in every program, and a stranger that claims the same name.</p>
<div class="terminal player" role="group" aria-label="Recording of a terminal">
<input type="radio" name="player" id="player-play">
<input type="radio" name="player" id="player-pause">
<input type="radio" name="player" id="player-all" checked>
<div class="bar"><i aria-hidden="true"></i><i aria-hidden="true"></i><i aria-hidden="true"></i>
<span class="controls"><label for="player-play">Play</label><label for="player-pause">Pause</label>
<label for="player-all">Show all</label></span></div>
<pre class="cast" tabindex="0">TEXT</pre>
</div>
</section>
"""
