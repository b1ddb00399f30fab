"""Questions for the name of a domain that has just started: held until it has its address.

A guest that is started and used at once would else fail, and a client may keep that answer. But a
stub resolver gives up after 5 s, so after 4 s the answer is SERVFAIL, which hardly anyone keeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from leasewatch.dns.answer import NOT_YET, Answer
from leasewatch.dns.queries import Query
from leasewatch.dns.views import View

SECONDS: Final = 4.0
MOST: Final = 256
"""Questions; further ones get SERVFAIL at once."""

Find = Callable[[Query, View], Answer]
Later = asyncio.Future[Answer]


class Held:
    """Asks `find` again whenever a name has changed."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._waiting: dict[bytes, dict[Later, tuple[Query, View]]] = {}
        """By folded name."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def hold(self, query: Query, view: View) -> Later:
        """The answer to a question whose name is pending now; it comes within `SECONDS`."""
        loop = asyncio.get_running_loop()
        later: Later = loop.create_future()
        if self._count >= MOST:
            later.set_result(NOT_YET)
            return later
        self._count += 1
        self._waiting.setdefault(query.name, {})[later] = query, view
        timer = loop.call_later(SECONDS, _answer, later, NOT_YET)
        later.add_done_callback(lambda _: self._forget(query.name, later, timer))
        return later

    def changed(self, names: Iterable[bytes] | None) -> None:
        """These folded names, or with None all, may have an address now."""
        touched = self._waiting.keys() & names if names is not None else set(self._waiting)
        for name in touched:
            for later, (query, view) in list(self._waiting[name].items()):
                answer = self._find(query, view)
                if not answer.is_pending:
                    _answer(later, answer)

    def stop(self) -> None:
        """Answer nothing any more."""
        for there in self._waiting.values():
            for later in there:
                later.cancel()

    def _forget(self, name: bytes, later: Later, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        there = self._waiting[name]
        del there[later]
        if not there:
            del self._waiting[name]
        self._count -= 1


def _answer(later: Later, answer: Answer) -> None:
    if not later.done():
        later.set_result(answer)
