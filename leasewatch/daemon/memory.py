"""Keep a long-running process small and free of pauses."""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_MIB = 1 << 20


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
