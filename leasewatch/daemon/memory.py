"""Keep a long-running process small and free of pauses, and let it open enough files."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
from typing import Final

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_MIB = 1 << 20
FILES: Final = 16_384
"""More than the most connections that the settings allow; leasewatch.service has the same."""


def open_enough() -> None:
    """Allow FILES open files, or as many as this process may have."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def begin() -> None:
    """Collect no garbage until `settle`: what is made until then stays.

    Large buffers come and go with each change. By default glibc keeps the memory of the largest and
    returns that of small ones each time: one costs memory, the other time (mallopt(3)).
    """
    gc.disable()
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _MIB)
    libc.mallopt(_M_TRIM_THRESHOLD, 2 * _MIB)


def settle() -> None:
    """Collect garbage again, but never among the objects that exist now."""
    gc.freeze()
    gc.enable()
