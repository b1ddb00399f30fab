"""Of a network with several bridges: an address counts once, wherever it is seen. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from leasewatch.addresses import Address
from leasewatch.model import Neighbour, NeighbourChange


class PerNetwork:
    """Changes of each bridge to changes of each network. With one bridge they are the same.

    Where somebody answers goes before where nobody does, then the bridge that saw it last.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, Address], dict[int, Neighbour]] = {}
        """By network and address, then by bridge."""

    def take(self, changes: Iterable[NeighbourChange]) -> list[NeighbourChange]:
        """Take in what has changed on the bridges; returns what follows for the networks."""
        return [found for change in changes for found in self._take(change)]

    def _take(self, change: NeighbourChange) -> list[NeighbourChange]:
        one = change.new or change.old
        if one is None:
            return []
        place = one.network, one.address
        there = self._seen.get(place, {})
        former = _best(there)
        if change.new is not None:
            there[one.ifindex] = change.new
        else:
            there.pop(one.ifindex, None)
        self._seen[place] = there
        if not there:
            del self._seen[place]
        now = _best(there)
        return [] if now is former else [NeighbourChange(former, now, change.quiet and not there)]


def _best(there: dict[int, Neighbour]) -> Neighbour | None:
    return max(there.values(), key=_worth, default=None)


def _worth(neighbour: Neighbour) -> tuple[bool, bool, float]:
    return neighbour.mac != "" and neighbour.reachable, neighbour.mac != "", neighbour.seen
