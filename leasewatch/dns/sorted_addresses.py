"""Addresses in order, to find whether there is one in a range. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable

from leasewatch.addresses import Address


class SortedAddresses:
    """A multiset of addresses of both families."""

    def __init__(self) -> None:
        self._counts = Counter[Address]()
        self._sorted: dict[int, list[Address]] = {4: [], 16: []}

    def add(self, found: Iterable[Address]) -> None:
        """Add each once."""
        for one in found:
            self._counts[one] += 1
            if self._counts[one] == 1:
                insort(self._sorted[len(one)], one)

    def discard(self, found: Iterable[Address]) -> None:
        """Take each away once; all are there."""
        for one in found:
            self._counts[one] -= 1
            if not self._counts[one]:
                del self._counts[one]
                there = self._sorted[len(one)]
                del there[bisect_left(there, one)]

    def any_in(self, first: Address, last: Address) -> bool:
        """Whether one is from `first` to `last`, both of one family."""
        there = self._sorted[len(first)]
        at = bisect_left(there, first)
        return at < len(there) and there[at] <= last
