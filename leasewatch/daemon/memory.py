"""How a process that lives long keeps its memory: less of it, and without pauses."""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_MIB = 1 << 20


def begin() -> None:
    """What is made from now on until `settle` stays: no garbage is looked for in it.

    Large buffers come and go with each change. glibc would keep what the largest of them took, and
    give small ones back each time: both cost, one memory and the other time (mallopt(3)).
    """
    gc.disable()
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, _MIB)
    libc.mallopt(_M_TRIM_THRESHOLD, 2 * _MIB)


def settle() -> None:
    """Look for garbage again, and never in what there is now."""
    gc.freeze()
    gc.enable()
