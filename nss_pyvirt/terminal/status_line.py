"""How a command that takes long shows what it is doing, on stderr."""

from __future__ import annotations

import os
import sys
import time

from nss_pyvirt.terminal import commands, frame, show

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Final, Self

_REDRAW: Final = 0.2  # seconds, on a terminal
_LINE: Final = 10.0  # seconds between the amounts of a download in a pipe


class StatusLine:
    """Call it with what is going on, as often as you like.

    A terminal shows one line, with the seconds that have passed; a pipe gets each new sentence as a
    line of its own. The line is cleared at the end.
    """

    def __init__(self, prog: str) -> None:
        self._prog = prog
        err = sys.stderr
        self._redraws = err is not None and err.isatty() and not commands.Command.prints_json
        self._begun = time.monotonic()
        self._drawn = 0.0
        self._said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._begun

    @property
    def pace(self) -> float:
        """Seconds between two amounts that are worth showing."""
        return _REDRAW if self._redraws else _LINE

    def __call__(self, said: str) -> None:
        """Show a sentence."""
        now = time.monotonic()
        is_new = said != self._said
        if not is_new and (not self._redraws or now - self._drawn < _REDRAW):
            return
        self._said, self._drawn = said, now
        if not self._redraws:
            frame.print_note(self._prog, said)
            return
        text = f"{frame.printable(said)} ({self.seconds:.0f} s)"
        frame.write(f"\r{text[: _width() - 1]}\x1b[K", err=True)

    def note(self, said: str) -> None:
        """Print a sentence that stays."""
        self.clear()
        frame.print_note(self._prog, said)

    def clear(self) -> None:
        """Remove the line from a terminal."""
        if self._redraws and self._drawn:
            frame.write("\r\x1b[K", err=True)
            self._drawn, self._said = 0.0, ""


class Transfer:
    """Call it with the bytes of a download that are here, and all of them (None: unknown).

    A terminal's line changes five times a second; a pipe gets a line every 10 seconds.
    """

    def __init__(self, line: StatusLine, what: str) -> None:
        self._line, self._what = line, what
        self._begun = self._shown = 0.0
        self._first: int | None = None
        """The bytes that were there already."""

    @property
    def has_begun(self) -> bool:
        """Whether there was anything to show."""
        return self._first is not None

    def __call__(self, done: int, total: int | None) -> None:
        """Show it, but not too often."""
        now = time.monotonic()
        if self._first is None:
            self._first, self._begun = done, now
        elif now - self._shown < self._line.pace:
            return
        self._shown = now
        self._line(self._sentence(done, total, now - self._begun))

    def _sentence(self, done: int, total: int | None, passed: float) -> str:
        parts = [f"{self._what}: {show.size(done)}"]
        if total:
            parts = [f"{self._what}: {show.size(done)} of {show.size(total)}"]
            parts.append(f"{100 * done // total} %")
        speed = (done - (self._first or 0)) / passed if passed > 1 else 0
        if speed:
            parts.append(f"{show.size(round(speed))}/s")
        if speed and total and total > done:
            left = round((total - done) / speed)
            parts.append(f"{left // 60}:{left % 60:02} left")
        return ", ".join(parts)


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80
