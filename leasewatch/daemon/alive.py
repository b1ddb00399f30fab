"""Whether a recorded process still runs, and is not another one with the same pid.

For those who may not ask the kernel for a lock's holder: the service and plain users.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Final

DEAD: Final = b"X"
WAITING: Final = (b"S", b"I")
"""The states of a process that is not within a piece of work."""
_PF_EXITING: Final = 4
"""Of the flags in field 9 (linux/sched.h)."""
_SIGKILL: Final = 9


def born(pid: int) -> int:
    """When the process was started, in clock ticks since the boot (proc_pid_stat(5), field 22).

    With the pid it identifies one process of this boot. 0: no such process, or it is hidden.
    """
    fields = _stat(pid)
    return int(fields[19]) if fields else 0


def is_alive(pid: int, started: int = 0) -> bool:
    """Whether the process runs; a zombie does not. `started` is as from `born`; 0: any.

    A process that is hidden from this user (hidepid) counts as alive.
    """
    return state(pid, started) != DEAD


def state(pid: int, started: int = 0) -> bytes:
    """The letter of its state (proc_pid_stat(5), field 3), e.g. `S` while it waits for something.

    DEAD for a zombie and where there is no such process; `S` where it is hidden.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return DEAD
    except PermissionError:
        pass
    fields = _stat(pid)
    if not fields:  # hidden, or gone just now
        return b"S"
    return fields[0] if fields[0] != b"Z" and started in {0, int(fields[19])} else DEAD


def is_ending(pid: int) -> bool:
    """Whether the process was killed or is ending, so it will hold nothing in a moment.

    False if it runs, is gone or is hidden.
    """
    fields = _stat(pid)
    if not fields:
        return False
    if fields[0] in {b"Z", b"X"} or int(fields[6]) & _PF_EXITING:
        return True
    try:
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123  start-up time
            status = [line.split() for line in file]
    except OSError:
        return False
    pending = (line[1] for line in status if line[0] in {b"SigPnd:", b"ShdPnd:"})
    return any(int(mask, 16) & 1 << _SIGKILL - 1 for mask in pending)


def _stat(pid: int) -> list[bytes]:
    """The fields from the third (state) on: the name before them may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123  start-up time
            return file.read().rpartition(b")")[2].split()
    except OSError:
        return []
