"""A network with several bridges: each address counts once, with one bridge nothing changes."""

from __future__ import annotations

import random

from msgspec.structs import replace

from leasewatch.addresses import parse, text
from leasewatch.model import Neighbour, NeighbourChange
from leasewatch.neighbours.per_network import PerNetwork
from tests.leasewatch.leasing import WALL, neighbour

NOBODY = replace(neighbour(0), reachable=False)
SECOND = 4
"""Another bridge than `neighbour`'s."""


def there(client: int, seen: float, **other: object) -> Neighbour:
    return replace(neighbour(client), ifindex=SECOND, seen=WALL + seen, **other)


def gone(one: Neighbour, *, quiet: bool = False) -> NeighbourChange:
    return NeighbourChange(one, None, quiet)


def test_with_one_bridge_every_change_passes_as_it_is() -> None:
    later = replace(neighbour(1), seen=WALL + 1)
    failed = replace(later, reachable=False)
    changes = [
        NeighbourChange(None, neighbour(1)),
        NeighbourChange(neighbour(1), later),
        NeighbourChange(later, failed),
        NeighbourChange(failed, NOBODY),
        gone(NOBODY, quiet=True),
        NeighbourChange(None, neighbour(2)),
        gone(neighbour(2)),
    ]
    assert PerNetwork().apply(changes) == changes


def test_unanswered_questions_on_one_bridge_do_not_affect_another() -> None:
    one = neighbour(1)
    nobody = replace(NOBODY, ifindex=SECOND, seen=WALL + 9)
    networks = PerNetwork()
    assert networks.apply([NeighbourChange(None, one)]) == [NeighbourChange(None, one)]
    assert networks.apply([NeighbourChange(None, nobody)]) == []
    assert networks.apply([gone(nobody)]) == []
    assert networks.apply([NeighbourChange(None, nobody), gone(one)]) == [
        NeighbourChange(one, nobody)
    ]
    assert networks.apply([gone(nobody)]) == [gone(nobody)]


def test_an_address_is_where_it_was_seen_last() -> None:
    one, moved = neighbour(1), there(1, 5)
    networks = PerNetwork()
    networks.apply([NeighbourChange(None, one)])
    assert networks.apply([NeighbourChange(None, moved)]) == [NeighbourChange(one, moved)]
    assert networks.apply([gone(one, quiet=True)]) == []
    assert networks.apply([gone(moved, quiet=True)]) == [gone(moved, quiet=True)]


def test_other_addresses_and_other_networks_are_none_of_its_business() -> None:
    others = [neighbour(1), there(1, 1, address=parse("fd12::6")), there(1, 2, network="lan")]
    changes = [NeighbourChange(None, one) for one in others]
    assert PerNetwork().apply(changes) == changes


def test_each_network_gets_consistent_changes_after_any_events() -> None:
    randomly = random.Random(7)
    networks, told = PerNetwork(), dict[tuple[str, bytes], Neighbour]()
    bridges: dict[tuple[int, bytes], Neighbour] = {}
    for step in range(2000):
        place = randomly.choice([3, 4, 5]), randomly.choice([parse("fd12::1"), parse("fd12::2")])
        old = bridges.pop(place, None)
        new = None
        if old is None or randomly.random() < 0.6:
            who = neighbour(randomly.choice([0, 1, 2]), text(place[1]))
            new = replace(who, ifindex=place[0], seen=WALL + step, reachable=who.mac != "")
            bridges[place] = new
        for change in networks.apply([NeighbourChange(old, new)]):
            one = change.new or change.old
            assert one is not None
            assert told.pop((one.network, one.address), None) == change.old
            if change.new is not None:
                told[one.network, one.address] = change.new
        assert {at for _, at in told} == {at for _, at in bridges}
        assert all(one in bridges.values() for one in told.values())
