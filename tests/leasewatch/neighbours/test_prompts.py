"""When an address is asked for: soon, ever more seldom, never many at once, never for ever."""

from __future__ import annotations

from leasewatch.neighbours.prompts import AFTER, AT_ONCE, MOST, ONCE, PAUSE, Prompts, Target


def target(number: int) -> Target:
    return 7, number.to_bytes(16)


def asked(prompts: Prompts) -> list[tuple[float, Target]]:
    """What is asked for until nothing is left, and when."""
    found: list[tuple[float, Target]] = []
    while (at := prompts.next_due()) is not None:
        found += [(at, one) for one in prompts.due(at)]
    return found


def test_an_address_is_asked_for_a_few_times_in_growing_steps() -> None:
    prompts = Prompts()
    prompts.ask(target(1), 100)
    assert [at - 100 for at, _ in asked(prompts)] == [0, 3.5, 7, 10.5, 18.5, 34.5, 66.5]


def test_an_address_that_answers_is_not_asked_again() -> None:
    prompts = Prompts()
    prompts.ask(target(1), 100)
    assert prompts.due(100) == [target(1)]
    prompts.answered(target(1))
    assert prompts.next_due() is None


def test_asking_again_starts_over_only_if_that_is_sooner() -> None:
    prompts = Prompts()
    prompts.ask(target(1), 100)
    prompts.ask(target(1), 100)
    assert prompts.due(100) == [target(1)]
    prompts.ask(target(1), 101)
    assert prompts.due(101) == [target(1)]
    prompts.ask(target(1), 102, (10.0,))
    assert len(asked(prompts)) == len(AFTER) - 1


def test_few_are_asked_for_at_a_time_and_all_in_the_end() -> None:
    prompts = Prompts()
    for number in range(100):
        prompts.ask(target(number), 0, ONCE)
    assert len(prompts.due(0)) == AT_ONCE
    assert prompts.due(PAUSE / 2) == []
    assert len(asked(prompts)) == 100 - AT_ONCE


def test_what_is_asked_for_has_a_limit_and_what_is_on_a_gone_bridge_is_forgotten() -> None:
    prompts = Prompts()
    for number in range(MOST + 10):
        prompts.ask(target(number), 0, ONCE)
    prompts.ask((8, bytes(16)), 0)
    prompts.keep([7])
    assert len(asked(prompts)) == MOST
    prompts.ask(target(1), 0)
    prompts.keep([8])
    assert prompts.next_due() is None
