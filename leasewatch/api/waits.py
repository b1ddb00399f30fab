"""Who waits for a name to get an address, or to lose the last one.

In: the names that were decided, only while somebody waits. A name is looked at again after the
table was published, so what `Wait` answers is what programs get.
"""

from __future__ import annotations

import asyncio
import time

from leasewatch.api.answers import Answers
from leasewatch.api.interface import MAX_WAIT, WaitParameters, WaitReply
from leasewatch.hosttable.table import Follower
from leasewatch.names import labels
from leasewatch.names.policy import Decision


class Waits:
    """Answers `Wait`; used in the event loop alone."""

    def __init__(self, answers: Answers, followers: list[Follower]) -> None:
        self._answers = answers
        self._followers = followers
        self._waiting: dict[str, set[asyncio.Event]] = {}
        """By each name whose decision may matter."""
        self._decided: set[str] = set()
        self._soon: asyncio.Handle | None = None

    async def wait(self, asked: WaitParameters) -> WaitReply:
        """The reply once it is met, or the time is over."""
        reply = self._answers.awaited(asked, time.time())
        if reply.met:
            return reply
        name, news = labels.fold(asked.name), asyncio.Event()
        names = {name, *self._answers.bare_names(name)}
        self._enter(names, news)
        try:
            async with asyncio.timeout(MAX_WAIT if asked.timeout is None else asked.timeout):
                while not reply.met:
                    await news.wait()
                    news.clear()
                    reply = self._answers.awaited(asked, time.time())
        except TimeoutError:
            reply = self._answers.awaited(asked, time.time())  # names stop being pending
        finally:
            self._leave(names, news)
        return reply

    def _enter(self, names: set[str], news: asyncio.Event) -> None:
        if not self._waiting:
            self._followers.append(self._follow)
        for name in names:
            self._waiting.setdefault(name, set()).add(news)

    def _leave(self, names: set[str], news: asyncio.Event) -> None:
        for name in names:
            self._waiting[name].discard(news)
            if not self._waiting[name]:
                del self._waiting[name]
        if not self._waiting:
            self._followers.remove(self._follow)

    def _follow(self, name: str, decision: Decision) -> None:
        names = {name}.union(*(record.names for record in decision.records))
        self._decided |= names & self._waiting.keys()
        if self._decided and self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        """Wake those whose names were decided; by now the table is published."""
        self._soon = None
        decided, self._decided = self._decided, set()
        for name in decided:
            for news in self._waiting.get(name, ()):
                news.set()
