"""Locks on networks and domains, which the kernel drops when their process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from leasewatch.daemon import alive
from leasewatch.files.holders import ENDING, PAUSE, holder, owner
from nss_pyvirt.errors import UserError
from nss_pyvirt.replacing import is_file, open_regular

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


def exclusive(lock: Path, timeout: float) -> AbstractContextManager[None]:
    """Keep other commands out by the file `lock`; the last holder removes it.

    UserError after `timeout` seconds.
    """
    return _hold(lock, fcntl.LOCK_EX, timeout)


def shared(lock: Path, timeout: float) -> AbstractContextManager[None]:
    """Like `exclusive`, but several may hold it at once."""
    return _hold(lock, fcntl.LOCK_SH, timeout)


@contextlib.contextmanager
def _hold(lock: Path, how: int, timeout: float) -> Iterator[None]:
    deadline = time.monotonic() + timeout
    while (fd := _lock_file(lock, how)) is None:
        if time.monotonic() > deadline:
            what = f"another command has held {lock} for {timeout:.0f} s"
            raise UserError(what, "try again", "timeout")
        time.sleep(0.02)
    try:
        yield
    finally:
        _let_go(fd, lock)


def _lock_file(lock: Path, how: int) -> int | None:
    """A descriptor that holds the lock; None: others hold it, or have just removed the file.

    Every user who can open a file can flock(2) it, so only its owner can open this one.
    """
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = open_regular(lock, 0o600)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(fd, how | fcntl.LOCK_NB)
        if is_file(fd, lock):
            return fd
    os.close(fd)
    return None


def _let_go(fd: int, lock: Path) -> None:
    """Drop the lock; the last holder removes the file."""
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_file(fd, lock):  # while it changes, the lock is free for a moment
            lock.unlink()
    os.close(fd)
