"""An alarm rings once, at the time that was set last."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from leasewatch.daemon.alarm import Alarm


def rung(act: Callable[[Alarm], None]) -> tuple[int, bool]:
    """How often an alarm rings after `act`, and whether it is set at last."""

    async def run() -> tuple[int, bool]:
        rings: list[None] = []
        alarm = Alarm(lambda: rings.append(None))
        act(alarm)
        await asyncio.sleep(0.1)
        still = alarm.is_set()
        alarm.cancel()
        return len(rings), still

    return asyncio.run(run())


def test_an_alarm_rings_once_however_often_it_is_set() -> None:
    def twice(alarm: Alarm) -> None:
        alarm.set(0)
        alarm.set(0)

    assert rung(twice) == (1, False)


@pytest.mark.parametrize("wall", [None, 1.0, float("inf")])
def test_an_alarm_follows_the_wall_clock(wall: float | None) -> None:
    def at(alarm: Alarm) -> None:
        alarm.set(0)
        alarm.set_at(wall)

    assert rung(at) == (wall == 1.0, wall == float("inf"))


def test_a_cancelled_alarm_can_be_set_to_the_same_time_again() -> None:
    def again(alarm: Alarm) -> None:
        alarm.set_at(soon := time.time())
        alarm.cancel()
        alarm.set_at(soon)

    assert rung(again) == (1, False)
