"""Whether a process that is written down somewhere is still that one, and not another of its pid.

For whoever may not ask the kernel for a lock's holder (`place`): the service and plain users.
"""

from __future__ import annotations

import os
from pathlib import Path


def born(pid: int) -> int:
    """When the process was started, in clock ticks after the boot (proc_pid_stat(5), field 22).

    Together with the pid it names one process of this boot. 0: there is none, or it is hidden.
    """
    fields = _stat(pid)
    return int(fields[19]) if fields else 0


def is_alive(pid: int, started: int = 0) -> bool:
    """Whether the process runs; a zombie does not. `started` is what `born` said; 0: any.

    A process that is hidden from this user (hidepid) counts as alive.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    fields = _stat(pid)
    if not fields:  # hidden, or gone just now
        return True
    return fields[0] not in {b"Z", b"X"} and started in {0, int(fields[19])}


def _stat(pid: int) -> list[bytes]:
    """The fields from the third, the state, on: the name before it may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return []
