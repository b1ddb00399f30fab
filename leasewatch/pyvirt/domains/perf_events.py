"""Count perf events of all threads of a process (perf_event_open(2)). It knows no domain.

Software events are counted everywhere. Hardware events need a processor that the kernel can
program: most virtual machines have none.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import struct
from typing import Final

EVENTS: Final = {
    "cpu_cycles": (0, 0),
    "instructions": (0, 1),
    "cache_misses": (0, 3),
    "cpu_clock": (1, 0),
    "task_clock": (1, 1),
    "page_faults": (1, 2),
    "context_switches": (1, 3),
    "cpu_migrations": (1, 4),
}
"""By libvirt's names (virsh domstats --perf): type and config of linux/perf_event.h. The clocks
count nanoseconds."""

_SYSCALL: Final = {"x86_64": 298, "aarch64": 241}
_ATTRIBUTES: Final = struct.Struct("=IIQQQQQ16x")  # struct perf_event_attr, PERF_ATTR_SIZE_VER0
_WITH_TIMES: Final = 1 | 2  # PERF_FORMAT_TOTAL_TIME_ENABLED and _RUNNING
_INHERIT: Final = 1 << 1  # threads that begin later are counted, too
_CLOEXEC: Final = 8
_COUNT: Final = struct.Struct("=QQQ")


class PerfCounters:
    """The events of process `pid` from now on; close it in the end.

    `refused` holds the events that cannot be counted, each with the kernel's reason.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.refused: dict[str, OSError] = {}
        self._open: dict[str, list[int]] = {}
        try:
            threads = [int(entry.name) for entry in os.scandir(f"/proc/{pid}/task")]
        except FileNotFoundError:  # it has just ended
            threads = []
        for name, (kind, config) in EVENTS.items():
            self._open[name] = []
            for thread in threads:
                try:
                    self._open[name].append(_open(kind, config, thread))
                except ProcessLookupError:
                    continue
                except OSError as error:
                    self.refused[name] = error
                    break

    def read(self) -> dict[str, int | None]:
        """How often each event has happened; None: it cannot be counted."""
        return {
            name: None if name in self.refused else sum(map(_count, fds))
            for name, fds in self._open.items()
        }

    def close(self) -> None:
        """Count no more."""
        for fds in self._open.values():
            while fds:
                os.close(fds.pop())


def is_unknown(error: OSError) -> bool:
    """Whether this kernel or processor has no such event, whoever asks."""
    return error.errno in {errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP, errno.ENOSYS}


def _open(kind: int, config: int, thread: int) -> int:
    number = _SYSCALL.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    size = _ATTRIBUTES.size
    attributes = _ATTRIBUTES.pack(kind, size, config, 0, 0, _WITH_TIMES, _INHERIT)
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = map(ctypes.c_long, (thread, -1, -1, _CLOEXEC))  # on any processor, in no group
    fd: int = libc.syscall(ctypes.c_long(number), attributes, *arguments)
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return fd


def _count(fd: int) -> int:
    """Scaled up if the processor could not count all the time: it has few counters."""
    with contextlib.suppress(OSError):
        count, enabled, running = _COUNT.unpack(os.read(fd, _COUNT.size))
        return int(count * enabled // running) if running else 0
    return 0
