"""Which process holds a lock of `locks`, and its end. Imports little, for a quick start."""

from __future__ import annotations

import fcntl
import os
import struct
import time

from leasewatch.daemon import alive
from nss_pyvirt import pidfds
from nss_pyvirt.errors import UserError

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Final

ENDING: Final = 10.0  # seconds that a killed process may take to end
PAUSE: Final = 0.005
_FLOCK: Final = "hhqqi4x"  # struct flock of fcntl(2): l_type, l_whence, l_start, l_len, l_pid


def holder(lock: str | os.PathLike[str]) -> int | None:
    """The pid of the process that holds the lock, or None. Wait until a killed one has ended."""
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    deadline = time.monotonic() + ENDING
    try:
        while (pid := owner(fd)) and alive.is_ending(pid) and time.monotonic() < deadline:
            time.sleep(PAUSE)
        return pid
    finally:
        os.close(fd)


def pidfd(lock: str | os.PathLike[str]) -> int | None:
    """A pidfd of the process that holds the lock; None: there is none. Close it in the end.

    The holder is looked up again once it is open, so it is never of a process that took over the
    pid.
    """
    pid = holder(lock)
    if pid is None:
        return None
    try:
        opened = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if holder(lock) == pid:
        return opened
    os.close(opened)
    return None


def stop(lock: str | os.PathLike[str], timeout: float) -> bool:
    """End the process that holds the lock: SIGTERM, and SIGKILL after `timeout` seconds.

    True if there was one.
    """
    opened = pidfd(lock)
    if opened is None:
        return False
    try:
        if not pidfds.end(opened, timeout):
            raise UserError(f"the process that holds {lock} does not end, even when killed")
    finally:
        os.close(opened)
    return True


def owner(fd: int) -> int | None:
    """The pid of the process that holds the lock on an open file, or None."""
    asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    kind, _, _, _, pid = struct.unpack(_FLOCK, fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else pid
