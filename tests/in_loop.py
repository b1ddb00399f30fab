"""Tests that are coroutines."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import ParamSpec

_SECONDS = 60
_P = ParamSpec("_P")


async def until(predicate: Callable[[], object]) -> None:
    """Let others run until that is true."""
    while not predicate():  # noqa: ASYNC110  it may be anything
        await asyncio.sleep(0.005)


def in_loop(test: Callable[_P, Awaitable[None]]) -> Callable[_P, None]:
    """Run the test in an event loop of its own; it fails if it takes longer than a minute."""

    @functools.wraps(test)
    def run(*args: _P.args, **kwargs: _P.kwargs) -> None:
        async def limited() -> None:
            async with asyncio.timeout(_SECONDS):
                await test(*args, **kwargs)

        asyncio.run(limited())

    return run
