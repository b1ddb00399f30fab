"""How a long download or copy shows that it goes on, on stderr."""

from __future__ import annotations

import sys
import time

from nss_pyvirt.terminal import commands, frame, show

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Final, Self

_REDRAW: Final = 0.2  # seconds, on a terminal
_LINE: Final = 10.0  # seconds, in a pipe


class Progress:
    """Call it with the bytes that are done, and all of them (None: unknown).

    A terminal shows one line that changes; a pipe gets a line every 10 seconds.
    """

    def __init__(self, prog: str, what: str) -> None:
        self._prog, self._what = prog, what
        err = sys.stderr
        self._redraws = err is not None and err.isatty() and not commands.Command.prints_json
        self._begun = self._printed = time.monotonic()
        self._first: int | None = None
        """The bytes that were there already."""

    @property
    def was_called(self) -> bool:
        """Whether there was anything to show."""
        return self._first is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._redraws and self._first is not None:
            frame.write("\r\x1b[K", err=True)

    def __call__(self, done: int, total: int | None) -> None:
        """Print it, but not too often."""
        now = time.monotonic()
        first = self._first is None
        if self._first is None:
            self._first, self._begun = done, now
        if not first and now - self._printed < (_REDRAW if self._redraws else _LINE):
            return
        self._printed = now
        said = self._sentence(done, total, now - self._begun)
        if self._redraws:
            frame.write(f"\r{frame.printable(said)}\x1b[K", err=True)
        else:
            frame.print_note(self._prog, said)

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
