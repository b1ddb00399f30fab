"""Asks an NSS module as the C library does, in this process, and waits until a name is found."""

from __future__ import annotations

import ctypes
import time

from tests.bench.timing import BenchError

_SUCCESS = 1  # nss.h
_PAUSE = 50e-6
DEADLINE = 60.0
"""Seconds in which a name must be found."""


class Module:
    """An NSS module: `prefix` is what nsswitch.conf calls it."""

    def __init__(self, prefix: str) -> None:
        library = ctypes.CDLL(f"libnss_{prefix}.so.2")
        self._find = library[f"_nss_{prefix}_gethostbyname4_r"]
        self._buffer = ctypes.create_string_buffer(4096)

    def finds(self, name: str) -> bool:
        """Whether the module has an address for `name` now."""
        tuples = ctypes.c_void_p()
        error, h_error, ttl = ctypes.c_int(), ctypes.c_int(), ctypes.c_int32()
        outcome = self._find(
            name.encode(),
            ctypes.byref(tuples),
            self._buffer,
            ctypes.c_size_t(len(self._buffer)),
            ctypes.byref(error),
            ctypes.byref(h_error),
            ctypes.byref(ttl),
        )
        return bool(outcome == _SUCCESS)

    def until_found(self, name: str) -> None:
        """Return as soon as `name` is found; BenchError when it is not in time."""
        deadline = time.monotonic() + DEADLINE
        while not self.finds(name):
            if time.monotonic() > deadline:
                raise BenchError(f"{name} was not found within {DEADLINE:g} s of its lease")
            time.sleep(_PAUSE)
