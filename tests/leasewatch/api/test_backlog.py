"""What a stream sent last: readers take it at their own pace, and who is too late is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from leasewatch.api.backlog import AT_ONCE, Backlog, TooSlowError


async def take(following: AsyncIterator[tuple[int, bytes]]) -> bytes:
    async with asyncio.timeout(20):
        return (await anext(following))[1]


def test_a_reader_gets_what_is_there_and_what_comes() -> None:
    async def run() -> None:
        backlog = Backlog(9)
        backlog.add(b"a")
        backlog.add(b"b")
        following = backlog.follow(0)
        assert await take(following) == b"ab"
        asyncio.get_running_loop().call_soon(backlog.add, b"c")
        asyncio.get_running_loop().call_soon(backlog.wake)
        assert await take(following) == b"c"
        await following.aclose()

    asyncio.run(run())


def test_a_reader_gets_some_at_a_time() -> None:
    async def run() -> None:
        backlog = Backlog(3 * AT_ONCE)
        for _ in range(AT_ONCE + 1):
            backlog.add(b".")
        following = backlog.follow(0)
        assert [len(await take(following)) for _ in range(2)] == [AT_ONCE, 1]
        await following.aclose()

    asyncio.run(run())


def test_a_reader_that_misses_messages_is_too_slow() -> None:
    async def run() -> None:
        backlog = Backlog(2)
        for _ in range(3):
            backlog.add(b".")
        with pytest.raises(TooSlowError) as error:
            await take(backlog.follow(0))
        assert error.value.missed == 3
        assert [backlog.holds(number) for number in (0, 1, 3, 4)] == [False, True, True, False]

    asyncio.run(run())


def test_after_everything_was_forgotten_none_can_go_on() -> None:
    backlog = Backlog(9)
    backlog.add(b"a")
    backlog.clear()
    assert not backlog.holds(1)
    assert backlog.holds(backlog.last)
