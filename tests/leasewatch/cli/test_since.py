"""Moments of the past as people write them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from leasewatch.cli.since import moment


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Half an hour after midnight there, the day after summer time began."""
    with monkeypatch.context() as patched:
        patched.setitem(os.environ, "TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
        time.tzset()
        yield
    time.tzset()


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOW = utc("2026-03-29T22:30:00")  # Monday 2026-03-30 00:30 in Berlin

MOMENTS = {
    "90s": NOW - 90,
    "15m": NOW - 900,
    "3h": NOW - 3 * 3600,
    "2d": NOW - 2 * 86400,
    "1w": NOW - 7 * 86400,
    "1h30m": NOW - 5400,
    "1d 12h": NOW - 36 * 3600,
    " 2 d ": NOW - 2 * 86400,
    "today": utc("2026-03-29T22:00:00"),
    "yesterday": utc("2026-03-28T23:00:00"),  # a day of 23 hours
    "00:15": utc("2026-03-29T22:15:00"),
    "0:15": utc("2026-03-29T22:15:00"),
    "00:15:30": utc("2026-03-29T22:15:30"),
    "2026-03-29": utc("2026-03-28T23:00:00"),
    "2026-03-29T14:30": utc("2026-03-29T12:30:00"),
    "2026-03-29 14:30:05": utc("2026-03-29T12:30:05"),
    "2026-03-29T14:30Z": utc("2026-03-29T14:30:00"),
    "2026-03-29T14:30+05:30": utc("2026-03-29T09:00:00"),
}


@pytest.mark.parametrize(("text", "then"), MOMENTS.items(), ids=MOMENTS)
def test_it_is_the_moment_that_is_meant(text: str, then: float) -> None:
    assert moment(text, NOW) == then


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "2", "2x", "-2d", "2d ago", "1.5h", "tomorrow", "25:00", "12:60", "1h-2m"),
        *("2026-02-30", "2026-3-1", "2026-03-29T", "2026-03-29T99:00", "29.03.2026", "9999999999d"),
        *("2026-03-29T14:30 and more", "1774738200", "\x1b[31m", "٢d"),
    ],
)
def test_anything_else_is_a_fault_that_says_what_can_be_written(text: str) -> None:
    with pytest.raises(ValueError, match="not a time like 2h, 3d, today, yesterday, 14:30"):
        moment(text, NOW)


@pytest.mark.parametrize("text", ["00:31", "2026-03-30T01:00", "2027-01-01"])
def test_what_is_still_to_come_is_a_fault(text: str) -> None:
    with pytest.raises(ValueError, match="in the future"):
        moment(text, NOW)
