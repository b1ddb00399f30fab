"""The service's log: one line each on stderr, `event key=value …`, through Python's `logging`.

A module logs with `logging.getLogger(__name__)` and formats its values with `fields`. Lines that
a guest can cause are limited by `Recent` or by an `Allowance`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Hashable
from typing import Final, Literal, TextIO

NOTICE: Final = 25
"""Level of what an administrator may want to know, between INFO and WARNING."""

Level = Literal["error", "warning", "notice", "info", "debug"]
LEVELS: Final[dict[Level, int]] = {
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "notice": NOTICE,
    "info": logging.INFO,
    "debug": logging.DEBUG,
}
_PRIORITIES: Final = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    NOTICE: 5,
    logging.WARNING: 4,
    logging.ERROR: 3,
}
_PLAIN = re.compile(r"[A-Za-z0-9_.,:;/@%+\[\]()<>*-]+")
_PACKAGE = logging.getLogger("leasewatch")
_PACKAGE.addHandler(logging.NullHandler())  # a command that reads as the service does says nothing


def start(stream: TextIO | None = None, *, priorities: bool | None = None) -> logging.Handler:
    """Write the log to `stream` (default: stderr); returns the handler that does.

    `priorities` puts `<N>` in front of each line (sd-daemon(3)) instead of `leasewatch: `. The
    default is yes if systemd reads stderr.
    """
    if priorities is None:
        priorities = "JOURNAL_STREAM" in os.environ
    handler = _Handler(stream or sys.stderr)
    handler.setFormatter(_Formatter(priorities=priorities))
    _PACKAGE.addHandler(handler)
    _PACKAGE.setLevel(logging.INFO)
    return handler


def level() -> Level:
    """The least level that is logged."""
    now = _PACKAGE.getEffectiveLevel()
    return next((name for name, number in LEVELS.items() if now >= number), "debug")


def set_level(name: Level) -> None:
    """Log what has that level or a worse one."""
    _PACKAGE.setLevel(LEVELS[name])


def fields(**values: object) -> str:
    """`key=value …` without the values that are None; what is not plain is quoted as in JSON."""
    return " ".join(f"{key}={_shown(v)}" for key, v in values.items() if v is not None)


class Recent:
    """Remembers the last `most` things, so that each is logged once."""

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._seen: dict[Hashable, None] = {}

    def is_new(self, *what: Hashable) -> bool:
        """Whether `what` is not among the last things asked about."""
        if what in self._seen:
            return False
        if len(self._seen) >= self._most:
            del self._seen[next(iter(self._seen))]
        self._seen[what] = None
        return True


class _Formatter(logging.Formatter):
    def __init__(self, *, priorities: bool) -> None:
        super().__init__()
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{_PRIORITIES[record.levelno]}>" if self._priorities else "leasewatch: "
        return f"{prefix}{super().format(record)}"


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Go on when nothing reads the log any more: the names matter more."""


def _shown(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
