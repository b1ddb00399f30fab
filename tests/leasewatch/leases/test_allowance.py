"""How often each of many may do something, by any clock."""

from __future__ import annotations

from leasewatch.leases.allowance import Allowance


def taken(allowance: Allowance, key: str, *times: float) -> list[bool]:
    return [allowance.take(key, now) for now in times]


def test_there_is_a_burst_and_then_one_in_so_many_seconds() -> None:
    allowance = Allowance(3, 10.0)
    assert taken(allowance, "a", 0, 0, 0, 0, 9.9) == [True, True, True, False, False]
    assert taken(allowance, "a", 10, 10, 15, 20) == [True, False, False, True]


def test_a_client_that_was_calm_gets_one_burst_again() -> None:
    allowance = Allowance(2, 10.0)
    assert taken(allowance, "a", 0, 0, 0) == [True, True, False]
    assert taken(allowance, "a", 500, 500, 500) == [True, True, False]


def test_each_key_has_its_own() -> None:
    allowance = Allowance(1, 10.0)
    assert taken(allowance, "a", 0, 0) == [True, False]
    assert taken(allowance, "b", 0, 0) == [True, False]


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    allowance = Allowance(2, 10.0)
    assert taken(allowance, "a", 1e9, 1e9, 1e9) == [True, True, False]
    assert taken(allowance, "a", 5, 5, 5, 15) == [True, True, False, True]


def test_it_remembers_only_so_many_and_those_that_came_last() -> None:
    allowance = Allowance(1, 1e6, keys=3)
    assert [allowance.take(key, 0) for key in "abcab"] == [True, True, True, False, False]
    assert allowance.take("d", 0)
    assert [allowance.take(key, 0) for key in "abdc"] == [False, False, False, True]
