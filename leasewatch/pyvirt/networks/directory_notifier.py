"""Notice that something changes in folders, by inotify(7). It does not tell what has changed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import time
from collections.abc import Callable, Iterable
from pathlib import Path

_MODIFY, _MOVED, _CREATE, _DELETE, _ONLYDIR = 0x2, 0xC0, 0x100, 0x200, 0x01000000
_PAUSE = 0.005  # seconds between two looks where inotify cannot be had
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


def await_change(
    folder: Path, is_there: Callable[[], bool], timeout: float, ended: int | None = None
) -> bool:
    """Whether `is_there` comes true within `timeout` seconds; it is asked after each change.

    The wait ends early when the pidfd `ended` is readable.
    """
    deadline = time.monotonic() + timeout
    notifier = DirectoryNotifier()
    with contextlib.closing(notifier):
        while True:
            pause = max(0.0, deadline - time.monotonic())
            try:
                notifier.watch([folder])
            except OSError:  # no instance is left
                pause = min(pause, _PAUSE)
            if is_there():
                return True
            poll = select.poll()
            for fd in (notifier.fileno(), -1 if ended is None else ended):
                if fd >= 0:
                    poll.register(fd, select.POLLIN)
            woken = {fd for fd, _ in poll.poll(pause * 1000)}
            if ended in woken or time.monotonic() >= deadline:
                return is_there()


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
