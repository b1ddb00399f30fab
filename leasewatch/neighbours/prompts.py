"""When to ask which address whether anybody is there.

A question is one datagram that makes the kernel resolve the address; only the neighbour table then
counts. Each address is asked for a few times, less and less often, and few at a time: each
unanswered entry takes a place in the kernel's table, which has 1,024 by default.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from leasewatch.addresses import Address

AFTER: Final = (0.0, 3.5, 3.5, 3.5, 8.0, 16.0, 32.0)
"""Seconds from one try to the next: a guest boots, or checks that its address is free (RFC 4862).
The kernel asks for 3 s (RFC 4861, 10), so a question meanwhile has no effect."""
ONCE: Final = (0.0,)
AGAIN: Final = (5.0, 25.0)
"""For an address that no longer answers."""
IF_NO_LEASE: Final = (1.0,)
"""For an address that a DHCP server may have offered: its lease comes first."""
LATER: Final = (1.0, 3.5, 8.0, 16.0, 32.0)
"""For an address that was given back: its machine may still be about to leave."""
AT_ONCE: Final = 32
"""Tries in one go…"""
PAUSE: Final = 1.0
"""…and seconds until the next."""
MOST: Final = 4096
"""Addresses to ask for; more are ignored."""

Target = tuple[int, Address]
"""Interface and address."""


class Prompts:
    """The addresses to ask for. Times are monotonic, in seconds."""

    def __init__(self) -> None:
        self._due: dict[Target, tuple[float, tuple[float, ...]]] = {}
        """The time of the next question, and the steps after it."""
        self._not_before = 0.0

    def ask(self, target: Target, now: float, steps: tuple[float, ...] = AFTER) -> None:
        """Ask for it. If it is asked for already, start again if that is sooner."""
        at = now + steps[0]
        current = self._due.get(target)
        if current is None and len(self._due) >= MOST:
            return
        if current is None or at < current[0]:
            self._due[target] = (at, steps[1:])

    def answered(self, target: Target) -> None:
        """Stop asking: somebody is there."""
        self._due.pop(target, None)

    def keep(self, ifindexes: Iterable[int]) -> None:
        """Drop the targets on other interfaces."""
        kept = set(ifindexes)
        self._due = {target: due for target, due in self._due.items() if target[0] in kept}

    def next_due(self) -> float | None:
        """The time of the next question; None: there is none."""
        first = min((at for at, _ in self._due.values()), default=None)
        return None if first is None else max(first, self._not_before)

    def due(self, now: float) -> list[Target]:
        """What to ask for now; it is scheduled for its next step."""
        if now < self._not_before:
            return []
        asked = [target for target, (at, _) in self._due.items() if at <= now][:AT_ONCE]
        for target in asked:
            _, steps = self._due.pop(target)
            if steps:
                self._due[target] = (now + steps[0], steps[1:])
        self._not_before = now + PAUSE if len(asked) == AT_ONCE else now
        return asked
