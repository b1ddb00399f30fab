"""The last messages of a stream: each is encoded once, and each reader takes them at its own pace.

A reader that is further behind than the messages that are kept is cut off.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

AT_ONCE = 50
"""Messages that a reader gets before others have their turn."""


class TooSlowError(Exception):
    """A reader has not read for so long that it missed messages."""

    def __init__(self, missed: int) -> None:
        super().__init__(missed)
        self.missed = missed


class Backlog:
    """At most `most` messages, numbered from `last` + 1; used in the event loop alone."""

    def __init__(self, most: int, last: int = 0) -> None:
        self.last = last
        """The number of the last message."""
        self._kept: deque[bytes] = deque(maxlen=most)
        self._latest = -1, -1, b""
        """What was taken last: it is the same for most readers."""
        self._news = asyncio.Event()

    def add(self, message: bytes) -> None:
        """Append a message; `wake` the readers when there are no more for now."""
        self.last += 1
        self._kept.append(message)

    def wake(self) -> None:
        """Let the readers have what was added."""
        self._news.set()
        self._news = asyncio.Event()

    def clear(self) -> None:
        """Forget all messages: a reader cannot go on from a number before this."""
        self.last += 1
        self._kept.clear()

    def holds(self, number: int) -> bool:
        """Whether every message after that number is kept."""
        return 0 <= self.last - number <= len(self._kept)

    async def follow(self, known: int) -> AsyncGenerator[tuple[int, bytes], None]:
        """Every message after that number, and then each that is added, for ever.

        Yields how many, and all of them. Raises TooSlowError.
        """
        while True:
            news = self._news
            while known < self.last:
                before, (known, messages) = known, self._after(known)
                yield known - before, messages
            await news.wait()

    def _after(self, known: int) -> tuple[int, bytes]:
        """The next messages after that number: the number of the last one, and all of them."""
        if known != self._latest[0]:
            missing = self.last - known
            if missing > len(self._kept):
                raise TooSlowError(missing)
            first = len(self._kept) - missing
            some = range(first, min(first + AT_ONCE, len(self._kept)))
            self._latest = known, known + len(some), b"".join(self._kept[at] for at in some)
        return self._latest[1:]
