"""How a command that takes long shows what it is doing, on stderr."""

from __future__ import annotations

import os
import sys
import time

from nss_pyvirt.terminal import commands, frame

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Final, Self

_REDRAW: Final = 0.2  # seconds


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


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except OSError:
        return 80
