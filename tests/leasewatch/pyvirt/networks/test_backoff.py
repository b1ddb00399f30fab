"""The pauses between attempts at what keeps failing, and when it counts as well again."""

from __future__ import annotations

import itertools

import pytest

from leasewatch.pyvirt.networks.backoff import Backoff


def attempts(until: float, works_for: float = 0.0, start: float = 0.0) -> list[float]:
    """When something is tried that each time works for `works_for` seconds only."""
    backoff = Backoff()
    tried: list[float] = []
    now = start
    while now <= start + until:
        backoff.attempt(now)
        tried.append(now - start)
        now = max(now + works_for, backoff.due)
    return tried


def test_the_pauses_double_up_to_half_a_minute() -> None:
    assert attempts(130) == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5, 91.5, 121.5]


@pytest.mark.parametrize("start", [0.0, 3.0, 11.0, 1e6])
@pytest.mark.parametrize("works_for", [0.0, 0.001, 0.4, 2.0, 9.0])
def test_what_keeps_failing_is_tried_seldom_whenever_it_began(
    start: float, works_for: float
) -> None:
    tried = attempts(600, works_for, start)
    assert len([when for when in tried if when <= 10]) <= 6
    assert max(b - a for a, b in itertools.pairwise(tried)) <= 30


def test_what_was_well_for_long_is_tried_at_once_and_soon_again() -> None:
    backoff = Backoff()
    for _ in range(9):
        backoff.attempt(max(0.0, backoff.due))
    later = backoff.due + 11
    backoff.attempt(later)
    assert backoff.due == later + 0.5


def test_what_fails_right_after_a_long_pause_is_not_well() -> None:
    """A pause is no proof: the time since the attempt alone would begin with 0.5 s again."""
    backoff = Backoff()
    for _ in range(9):
        backoff.attempt(max(0.0, backoff.due))
    backoff.attempt(due := backoff.due + 1)
    assert backoff.due == due + 30
