"""Who may go on in this round of the event loop, so that no crowd of peers delays a new lease.

A round is what the event loop does between two looks at its files and sockets. In each, calls are
answered for CALLS_SECONDS, and one page of a long reply is made.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final

CALLS_SECONDS: Final = 0.001


class Turns:
    """Used in the event loop alone."""

    def __init__(self) -> None:
        self._calls: deque[Callable[[], None]] = deque()
        self._pages: deque[asyncio.Future[None]] = deque()
        self._next: asyncio.Handle | None = None

    def call(self, answer: Callable[[], None]) -> None:
        """Answer a call in one of the next rounds. A second one of the same peer waits longer."""
        self._calls.append(answer)
        self._go_on()

    async def page(self) -> None:
        """Wait until a page may be made."""
        turn = asyncio.get_running_loop().create_future()
        self._pages.append(turn)
        self._go_on()
        await turn

    def _go_on(self) -> None:
        if self._next is None:
            self._next = asyncio.get_running_loop().call_soon(self._round)

    def _round(self) -> None:
        self._next = None
        until = time.perf_counter() + CALLS_SECONDS
        for _ in range(len(self._calls)):  # what they add has its turn in the next round
            self._calls.popleft()()
            if time.perf_counter() > until:
                break
        while self._pages:
            turn = self._pages.popleft()
            if not turn.done():  # its peer is still there
                turn.set_result(None)
                break
        if self._calls or self._pages:
            self._go_on()
