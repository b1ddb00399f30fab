"""The terminal of `leasewatch top`: another screen and single keys, and back to what it was."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import tty
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.control import Control
from rich.screen import Screen
from rich.text import Text

from nss_pyvirt.errors import UserError


def check() -> None:
    """UserError unless keys can be read, and lines drawn anywhere."""
    streams = (sys.stdin, sys.stdout)
    hint = "leasewatch list prints leases, leasewatch watch prints events"
    if not all(stream is not None and stream.isatty() for stream in streams):
        raise UserError("leasewatch top needs a terminal for its keys and output", hint, "usage")
    if (kind := os.environ.get("TERM", "")) in {"", "dumb", "unknown"}:
        raise UserError(f'leasewatch top cannot draw on this terminal (TERM="{kind}")', hint)


class Terminal:
    """Between `enter` and `leave` the terminal shows what `draw` draws, and keys come at once."""

    def __init__(self) -> None:
        self.keys = sys.stdin.fileno()
        """The descriptor to read keys from."""
        self._console = Console(highlight=False, markup=False)
        self._former: list[Any] | None = None

    def __enter__(self) -> Self:
        self.enter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        return self._console.size.width, self._console.size.height

    def enter(self) -> None:
        """Change to the other screen."""
        self._former = termios.tcgetattr(self.keys)
        tty.setcbreak(self.keys)
        self._console.set_alt_screen(True)
        self._console.show_cursor(False)

    def leave(self) -> None:
        """Put everything back; also if the terminal is gone."""
        if self._former is None:
            return
        former, self._former = self._former, None
        with contextlib.suppress(OSError):
            self._console.show_cursor(True)
            self._console.set_alt_screen(False)
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(self.keys, termios.TCSADRAIN, former)

    def draw(self, lines: Sequence[Text]) -> None:
        """Show these lines instead of the last ones."""
        self._console.control(Control.home())
        self._console.print(Screen(Group(*lines)), end="")
