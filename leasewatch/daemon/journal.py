"""One-line structured logs on stderr: `event key=value …`, and journald's priority in front.

It decides nothing about what is worth saying, except that the same line is not said over and over.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Final, TextIO

ERROR: Final = 3
WARNING: Final = 4
NOTICE: Final = 5
INFO: Final = 6

_PLAIN = re.compile(r"[A-Za-z0-9_.,:;/@%+\[\]()<>*-]+")
_MEMORY: Final = 1024


class Journal:
    """Writes the lines. `priorities`: put `<N>` in front (sd-daemon(3)) instead of the time."""

    def __init__(self, stream: TextIO | None = None, *, priorities: bool | None = None) -> None:
        self._stream = stream or sys.stderr
        self._priorities = "JOURNAL_STREAM" in os.environ if priorities is None else priorities
        self._said: dict[str, None] = {}

    def say(self, priority: int, event: str, **fields: object) -> None:
        """Write one line; a field that is None is left out."""
        self._write(priority, _line(event, fields))

    def say_once(self, priority: int, event: str, **fields: object) -> bool:
        """Write a line unless the very same one is among the last 1,024 that were said once.

        Returns whether it was written.
        """
        line = _line(event, fields)
        if line in self._said:
            return False
        if len(self._said) >= _MEMORY:
            del self._said[next(iter(self._said))]
        self._said[line] = None
        self._write(priority, line)
        return True

    def _write(self, priority: int, line: str) -> None:
        prefix = f"<{priority}>" if self._priorities else "leasewatch: "
        try:
            self._stream.write(f"{prefix}{line}\n")
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more; the names matter more
            return


def _line(event: str, fields: dict[str, object]) -> str:
    shown = (f"{key}={_value(value)}" for key, value in fields.items() if value is not None)
    return " ".join((event, *shown))


def _value(value: object) -> str:
    """Plain values as they are, all others quoted, control and non-ASCII characters escaped."""
    text = str(value)
    if _PLAIN.fullmatch(text):
        return text
    return json.dumps(text)
