"""Limits how often each of many clients may do something: a burst, then once in so many seconds.

It reads no clock: `now` is in seconds, and may go back.
"""

from __future__ import annotations

from collections import OrderedDict


class Allowance:
    """Remembers at most `keys` clients; the oldest are forgotten and then get a new burst.

    This is the generic cell rate algorithm (ITU-T I.371): one number for each key.
    """

    def __init__(self, burst: int, seconds: float, *, keys: int = 8192) -> None:
        self._ahead = (burst - 1) * seconds
        self._seconds = seconds
        self._keys = keys
        self._due: OrderedDict[str, float] = OrderedDict()  # a dict is slow to find its first key
        """When each will have its whole burst again."""

    def take(self, key: str, now: float) -> bool:
        """Whether `key` may do it now; counts it if so."""
        due = max(self._due.pop(key, now), now)
        if due > now + self._ahead + self._seconds:
            due = now  # the clock was set back
        allowed = due <= now + self._ahead
        if len(self._due) >= self._keys:
            self._due.popitem(last=False)
        self._due[key] = due + self._seconds if allowed else due
        return allowed
