"""Addresses in order, to find whether there is one in a range. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Final

from leasewatch.addresses import Address

_MANY: Final = 1000


class SortedAddresses:
    """A multiset of addresses of both families. It is sorted when it is asked, not when it changes.

    Sorting what is nearly sorted takes 5 ms with 100,000 addresses, and hardly anybody asks.
    """

    def __init__(self) -> None:
        self._counts = Counter[Address]()
        self._sorted: dict[int, list[Address]] = {4: [], 16: []}
        self._new: list[Address] = []
        """Not sorted in yet."""
        self._is_sorted = True

    def replace(self, former: Iterable[Address], now: Iterable[Address]) -> None:
        """Take `former` away once each, all of which are there, and add `now`."""
        for one in former:
            self._counts[one] -= 1
            if not self._counts[one]:
                del self._counts[one]
        for one in now:
            self._counts[one] += 1
            self._new.append(one)
        self._is_sorted = False
        if len(self._new) > len(self._counts) + _MANY:
            self._sort()

    def any_in(self, first: Address, last: Address) -> bool:
        """Whether one is from `first` to `last`, both of one family."""
        if not self._is_sorted:
            self._sort()
        there = self._sorted[len(first)]
        at = bisect_left(there, first)
        return at < len(there) and there[at] <= last

    def _sort(self) -> None:
        for size, there in self._sorted.items():
            new = (one for one in self._new if len(one) == size)
            kept = dict.fromkeys(one for one in (*there, *new) if one in self._counts)
            self._sorted[size] = sorted(kept)
        self._new.clear()
        self._is_sorted = True
