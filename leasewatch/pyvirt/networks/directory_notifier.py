"""Notice that something changes in folders, by inotify(7). It does not tell what has changed."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

_MODIFY, _MOVED, _CREATE, _DELETE, _ONLYDIR = 0x2, 0xC0, 0x100, 0x200, 0x01000000
_MASK = _MODIFY | _MOVED | _CREATE | _DELETE | _ONLYDIR


class DirectoryNotifier:
    """Its descriptor is readable from the first change after `watch` until the next `watch`.

    A caller that leaves it out of its poll once it is readable is woken once by a busy folder.
    """

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = -1

    def fileno(self) -> int:
        """The descriptor; -1 before the first `watch` and after `close`."""
        return self._fd

    def watch(self, folders: Iterable[Path]) -> None:
        """Watch those of these folders that exist, and no others. Raises OSError."""
        self.close()
        self._fd = _checked(self._libc.inotify_init1(os.O_CLOEXEC))
        for folder in folders:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                _checked(self._libc.inotify_add_watch(self._fd, os.fsencode(folder), _MASK))

    def close(self) -> None:
        """Watch nothing more."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
