"""How often each of many may do something: a burst, then once in so many seconds.

It reads no clock: `now` is in seconds, of any clock, also one that is set back.
"""

from __future__ import annotations

from collections import OrderedDict


class Allowance:
    """Remembers `keys` at most; those that came first are forgotten, which gives them a new burst.

    A generic cell rate algorithm (ITU-T I.371): one number for each key.
    """

    def __init__(self, burst: int, seconds: float, *, keys: int = 8192) -> None:
        self._ahead = (burst - 1) * seconds
        self._seconds = seconds
        self._keys = keys
        self._due: OrderedDict[str, float] = OrderedDict()  # a dict is slow to find its first key
        """When each would have used up nothing of its burst."""

    def take(self, key: str, now: float) -> bool:
        """Use one up; whether there was one."""
        due = max(self._due.pop(key, now), now)
        if due > now + self._ahead + self._seconds:
            due = now  # the clock was set back
        allowed = due <= now + self._ahead
        if len(self._due) >= self._keys:
            self._due.popitem(last=False)
        self._due[key] = due + self._seconds if allowed else due
        return allowed
