"""Locks on networks and domains, which the kernel drops when their process ends."""

from __future__ import annotations

import fcntl
import os
import time

from leasewatch.daemon import alive
from leasewatch.files.holders import ENDING, PAUSE, holder, owner
from nss_pyvirt.errors import UserError
from nss_pyvirt.replacing import is_file, open_regular

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ProcessLock", "exclusive", "holder", "shared"]


class ProcessLock:
    """A POSIX lock on a file, held by the one process that holds a network or domain.

    The kernel names the holder (F_GETLK), so no pid on disk can be stale. It drops the lock when
    the process ends, however it ends. Never open the lock file elsewhere in the holding process:
    closing any descriptor of it would drop the lock (fcntl(2)).
    """

    def __init__(self, lock: Path) -> None:
        self._lock = lock
        self._fd = -1

    def acquire(self) -> None:
        """Take the lock; UserError with the holder's pid if it is held already.

        If the holder was killed, wait until it has ended.
        """
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + ENDING
        while True:
            fd = open_regular(self._lock, 0o600)
            try:
                fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                pid = owner(fd)
                os.close(fd)
                if (pid is None or alive.is_ending(pid)) and time.monotonic() < deadline:
                    time.sleep(PAUSE)
                    continue
                raise UserError(
                    f"{self._lock} is held by process {pid}",
                    f"see what that is: ps {pid}",
                    "running",
                ) from None
            if is_file(fd, self._lock):
                self._fd = fd
                return
            os.close(fd)  # the earlier holder has just removed the file that we locked

    def release(self) -> None:
        """Drop the lock and remove the file."""
        if self._fd >= 0:
            self._lock.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def exclusive(lock: str | Path, timeout: float) -> _Held:
    """Keep other commands out by the file `lock`; the last holder removes it.

    UserError after `timeout` seconds.
    """
    return _Held(str(lock), fcntl.LOCK_EX, timeout)


def shared(lock: str | Path, timeout: float) -> _Held:
    """Like `exclusive`, but several may hold it at once."""
    return _Held(str(lock), fcntl.LOCK_SH, timeout)


class _Held:
    """Holds a lock as a context."""

    def __init__(self, lock: str, how: int, timeout: float) -> None:
        self._lock, self._how, self._timeout = lock, how, timeout
        self._fd = -1

    def __enter__(self) -> None:
        deadline = time.monotonic() + self._timeout
        while not self._take():
            if time.monotonic() > deadline:
                what = f"another command has held {self._lock} for {self._timeout:.0f} s"
                raise UserError(what, "try again", "timeout")
            time.sleep(0.02)

    def _take(self) -> bool:
        """Whether it is ours now; False: others hold it, or have just removed the file.

        Every user who can open a file can flock(2) it, so only its owner can open this one.
        """
        os.makedirs(os.path.dirname(self._lock), 0o700, exist_ok=True)  # noqa: PTH103, PTH120
        self._fd = open_regular(self._lock, 0o600)
        if _flocked(self._fd, self._how) and is_file(self._fd, self._lock):
            return True
        os.close(self._fd)
        return False

    def __exit__(self, *_: object) -> None:
        # The last holder removes the file. While the lock changes, it is free for a moment.
        if _flocked(self._fd, fcntl.LOCK_EX) and is_file(self._fd, self._lock):
            os.unlink(self._lock)  # noqa: PTH108  start-up time
        os.close(self._fd)


def _flocked(fd: int, how: int) -> bool:
    """Whether the flock(2) is ours at once."""
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
