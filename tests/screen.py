"""A terminal for a program that draws: what it shows, keys, a new size, what it leaves behind.

The model is small: a program draws the whole screen again from its first line.
"""

from __future__ import annotations

import os
import pty
import re
import termios
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.waiting import wait_for

_HOME = b"\x1b[H"
_ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
_ENTER, _LEAVE, _HIDE, _SHOW = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25l", b"\x1b[?25h"


_SHELL = 'trap : INT HUP; "$@"; echo "exit code $?"; read -r _'
_ENDED = re.compile(rb"exit code \d+\r\n")


def in_front(command: Sequence[str]) -> list[str]:
    """The command as a shell runs it in front of its terminal. The shell stays behind.

    Its child is the command. Had the terminal's first process ended, the kernel would reset it.
    """
    return ["setsid", "--ctty", "--wait", "sh", "-c", _SHELL, "sh", *command]


class Screen:
    """A pseudo terminal. Give `inside` to a program as stdin and stdout."""

    def __init__(self, columns: int = 80, lines: int = 24) -> None:
        self._outside, self.inside = pty.openpty()
        os.set_blocking(self._outside, False)
        self.resize(columns, lines)
        self._former = termios.tcgetattr(self.inside)
        self._written = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._outside)
        os.close(self.inside)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size; the program in front gets SIGWINCH."""
        termios.tcsetwinsize(self._outside, (lines, columns))

    def press(self, keys: str) -> None:
        """Type these."""
        os.write(self._outside, keys.encode())

    def lines(self) -> list[str]:
        """What was drawn last."""
        self._read()
        return self._text(self._written.rpartition(_HOME)[2])

    def wait_for(self, *texts: str, without: str = "\0") -> list[str]:
        """The lines, once they hold each text, and not `without`."""
        shown: list[str] = []

        def is_there() -> bool:
            shown[:] = self.lines()
            whole = "\n".join(shown)
            return all(text in whole for text in texts) and without not in whole

        try:
            wait_for(f"{texts} on the screen", is_there)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *shown])) from None
        return shown

    def wait_for_end(self) -> list[str]:
        """What the former screen shows once the program of `in_front` has ended, exit code last."""

        def has_ended() -> bool:
            self._read()
            return _ENDED.search(self._written) is not None

        wait_for("the program to end", has_ended)
        return self._text(self._written.rpartition(_LEAVE)[2])

    def is_as_before(self) -> bool:
        """Whether modes, screen and cursor are what they were before the program."""
        self._read()
        shown = self._written
        return (
            termios.tcgetattr(self.inside) == self._former
            and shown.rfind(_LEAVE) >= shown.rfind(_ENTER)
            and shown.rfind(_SHOW) >= shown.rfind(_HIDE)
        )

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while piece := os.read(self._outside, 1 << 16):
                self._written += piece

    def _text(self, data: bytes) -> list[str]:
        text = _ESCAPE.sub(b"", data).decode(errors="replace")
        return [line.rstrip() for line in text.replace("\r", "").split("\n")]
