"""Whether something changes in a folder, for a process that sleeps until a signal comes: dnotify.

One signal tells of any number of changes and then no more until it is asked for again, so that a
busy folder wakes nobody a thousand times (fcntl(2), F_NOTIFY). It does not tell what has changed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

_CHANGES = fcntl.DN_MODIFY | fcntl.DN_CREATE | fcntl.DN_DELETE | fcntl.DN_RENAME


class DirectoryNotifier:
    """SIGIO for the first change in each of the folders after `ask`. Raises OSError."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._open: list[int] = []

    def ask(self, *more: Path) -> None:
        """Tell of the next change; SIGIO must not be left to its default, which ends a process.

        The folders, and `more` of them this time, are those that are there now; of a missing one
        there is no news.
        """
        self.close()
        for folder in (*self._folders, *more):
            with contextlib.suppress(FileNotFoundError):
                self._open.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
                fcntl.fcntl(self._open[-1], fcntl.F_NOTIFY, _CHANGES)

    def close(self) -> None:
        """Tell no more."""
        for folder in self._open:
            os.close(folder)
        self._open.clear()
