"""When to ask which address whether anybody is there. It sends nothing.

Asking is one datagram that makes the kernel resolve the address; only what the neighbour table then
says counts. Each address is asked for a few times in growing steps, and few at a time: each entry
that nobody answers for takes a place in the kernel's table, which holds 1,024 by default.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from leasewatch.addresses import Address

AFTER: Final = (0.0, 3.5, 3.5, 3.5, 8.0, 16.0, 32.0)
"""Seconds from one try to the next: a guest boots, or makes sure that nobody else has its address
(RFC 4862). The kernel goes on for 3 s (RFC 4861, 10); whoever asks meanwhile asks for nothing."""
ONCE: Final = (0.0,)
AGAIN: Final = (5.0, 25.0)
"""For one that has ceased to answer."""
LATER: Final = (1.0, 3.5, 8.0, 16.0, 32.0)
"""For one that was given back: its machine may still be about to leave."""
AT_ONCE: Final = 32
"""Tries in one go…"""
PAUSE: Final = 1.0
"""…and seconds until the next."""
MOST: Final = 4096
"""Addresses to be asked for; more are left out."""

Target = tuple[int, Address]
"""Interface and address."""


class Prompts:
    """The addresses to ask for. Times are monotonic, in seconds."""

    def __init__(self) -> None:
        self._due: dict[Target, tuple[float, tuple[float, ...]]] = {}
        """When next, and the steps after that."""
        self._not_before = 0.0

    def ask(self, target: Target, now: float, steps: tuple[float, ...] = AFTER) -> None:
        """Ask for it; one that is being asked for already begins anew if that is sooner."""
        at = now + steps[0]
        current = self._due.get(target)
        if current is None and len(self._due) >= MOST:
            return
        if current is None or at < current[0]:
            self._due[target] = (at, steps[1:])

    def answered(self, target: Target) -> None:
        """Somebody is there."""
        self._due.pop(target, None)

    def keep(self, ifindexes: Iterable[int]) -> None:
        """Forget the targets on other interfaces."""
        kept = set(ifindexes)
        self._due = {target: due for target, due in self._due.items() if target[0] in kept}

    def next(self) -> float | None:
        """When something is due; None: nothing is."""
        first = min((at for at, _ in self._due.values()), default=None)
        return None if first is None else max(first, self._not_before)

    def take(self, now: float) -> list[Target]:
        """What to ask for now."""
        if now < self._not_before:
            return []
        taken = [target for target, (at, _) in self._due.items() if at <= now][:AT_ONCE]
        for target in taken:
            _, steps = self._due.pop(target)
            if steps:
                self._due[target] = (now + steps[0], steps[1:])
        self._not_before = now + PAUSE if len(taken) == AT_ONCE else now
        return taken
