"""Timers of the event loop that can be reset."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_SHORTEST, _LONGEST = 0.01, 3600.0
"""Seconds. A timer does not notice that the wall clock is set, so it rings at least every hour."""


class Alarm:
    """Calls `ring` once, so many seconds after it was last set; made and used in the event loop."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None
        self._wall: float | None = None
        """The Unix time given to `set_at`; None: `set` was used, or nothing is set."""

    def is_set(self) -> bool:
        """Whether it is going to ring."""
        return self._handle is not None

    def set(self, seconds: float) -> None:
        """Ring after that time; an earlier setting is dropped."""
        self.cancel()
        self._handle = asyncio.get_running_loop().call_later(seconds, self._call)

    def set_at(self, wall: float | None) -> None:
        """Ring at `wall` (Unix seconds), maybe early: `ring` looks at the clock. None: never."""
        if wall is None:
            self.cancel()
        elif wall != self._wall or self._handle is None:
            self.set(min(max(wall - time.time(), _SHORTEST), _LONGEST))
            self._wall = wall

    def cancel(self) -> None:
        """Do not ring."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._wall = None

    def _call(self) -> None:
        self._handle = None
        self._ring()
