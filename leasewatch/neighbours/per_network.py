"""Networks with several bridges: an address counts once, on whichever bridge it is seen."""

from __future__ import annotations

from collections.abc import Iterable

from leasewatch.addresses import Address
from leasewatch.model import Neighbour, NeighbourChange


class PerNetwork:
    """Turns changes on bridges into changes on networks; with one bridge they are the same.

    A bridge where the address answers goes first, then the bridge that saw it last.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, Address], dict[int, Neighbour]] = {}
        """By network and address, then by bridge."""

    def apply(self, changes: Iterable[NeighbourChange]) -> list[NeighbourChange]:
        """Apply changes on bridges; returns what changes on the networks."""
        return [found for change in changes for found in self._apply(change)]

    def _apply(self, change: NeighbourChange) -> list[NeighbourChange]:
        one = change.new or change.old
        if one is None:
            return []
        place = one.network, one.address
        there = self._seen.setdefault(place, {})
        former = _best(there)
        if change.new is not None:
            there[one.ifindex] = change.new
        else:
            there.pop(one.ifindex, None)
        if not there:
            del self._seen[place]
        now = _best(there)
        return [] if now is former else [NeighbourChange(former, now, change.quiet and not there)]


def _best(there: dict[int, Neighbour]) -> Neighbour | None:
    return max(there.values(), key=_worth, default=None)


def _worth(neighbour: Neighbour) -> tuple[bool, bool, float]:
    return neighbour.mac != "" and neighbour.reachable, neighbour.mac != "", neighbour.seen
