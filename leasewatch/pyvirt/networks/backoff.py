"""When to repeat what keeps failing: at once the first time, then ever more slowly.

Sets no timer: times are arguments, in seconds of one clock that never goes back.
"""

from __future__ import annotations

import math

_FIRST = 0.5
_LONGEST = 30.0
_CALM = 10.0
"""How long all must have been well, after the last pause, for the next failure to be a first."""


class Backoff:
    """The pauses between attempts: 0.5 s, doubled with each one, 30 s at most."""

    def __init__(self) -> None:
        self.due = -math.inf
        """No attempt is to be made before."""
        self._pause = 0.0

    def attempt(self, now: float) -> None:
        """One is made now."""
        calm = now > self.due + _CALM
        self._pause = _FIRST if calm else min(_LONGEST, 2 * self._pause)
        self.due = now + self._pause
