"""One stream of events for all watchers: what became of each candidate for a name.

In: decided names and changed leases, only while there are watchers. Out: encoded replies of
`Monitor`, each made once. Events follow after the table was published, a few at a time, so that
other work has its turn.

The stream lasts LINGER_SECONDS longer than its last watcher, so that one that returns can go on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from leasewatch.addresses import Address
from leasewatch.api import changes
from leasewatch.api.backlog import AT_ONCE, Backlog
from leasewatch.api.interface import MonitorReply, encoded
from leasewatch.api.turns import Turns
from leasewatch.daemon.alarm import Alarm
from leasewatch.daemon.counters import Counters
from leasewatch.hosttable.table import Follower
from leasewatch.leases.lease_files import LeaseFiles
from leasewatch.model import Claim, LeaseChange
from leasewatch.names.policy import Decision, NamePolicy

LINGER_SECONDS: Final = 300.0
KEPT: Final = 10_000
"""Events that are kept. A watcher that is further behind is cut off."""

_Claims = tuple[Claim, ...]
_Key = str | Address
"""A name, or the address of a lease without one."""


class Feed:
    """The candidates as of the last event, and the last events; used in the event loop alone."""

    def __init__(
        self,
        policy: NamePolicy,
        followers: list[Follower],
        files: LeaseFiles,
        turns: Turns,
        counters: Counters | None = None,
    ) -> None:
        self._policy = policy
        self._followers = followers
        self._files = files
        self._turns = turns
        self._counters = counters or Counters()
        self._claims: dict[_Key, _Claims] = {}
        self._events = Backlog(KEPT, time.time_ns() // 1000)
        """A later service begins with a larger number."""
        self._watchers = 0
        self._ready: asyncio.Task[None] | None = None
        """Set while changes are followed; done when the state is complete."""
        self._decided: dict[_Key, _Claims | None] = {}
        """What may have changed; None: ask the policy."""
        self._ends: dict[Address, str] = {}
        """How the leases at these addresses have just ended."""
        self._soon: asyncio.Handle | None = None
        self._linger = Alarm(self._end)

    async def watch(self, since: int | None) -> AsyncIterator[bytes]:
        """The candidates, then events for ever; only events if it still has those after `since`.

        Yields encoded replies, some at a time. Raises TooSlowError.
        """
        self._watchers += 1
        self._linger.cancel()
        try:
            await self._begin()
            if since is not None and self._events.holds(since):
                known = since
                yield _encoded(MonitorReply(number=known, kind="resumed", time=time.time()))
            else:
                known, snapshot = self._events.last, list(self._claims.values())
                for at in range(0, len(snapshot), AT_ONCE):
                    await self._turns.page()
                    claims = [claim for some in snapshot[at : at + AT_ONCE] for claim in some]
                    wall = time.time()
                    shown = (changes.reply(known, "snapshot", claim, wall) for claim in claims)
                    yield b"".join(map(_encoded, shown))
                yield _encoded(MonitorReply(number=known, kind="synced", time=time.time()))
            async with aclosing(self._events.follow(known)) as following:
                async for number, events in following:
                    self._counters.events += number
                    yield events
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._linger.set(LINGER_SECONDS)

    def stop(self) -> None:
        """Follow no more."""
        self._linger.cancel()
        self._end()

    async def _begin(self) -> None:
        """Follow changes, and wait until the state is complete."""
        if self._ready is None:
            self._events.clear()  # what happened before is not known
            self._followers.append(self._follow)
            self._files.subscribe(self._leases_changed)
            self._ready = asyncio.create_task(self._fill())
        await asyncio.shield(self._ready)

    def _end(self) -> None:
        if self._ready is None:
            return
        self._ready.cancel()
        self._ready = None
        self._followers.remove(self._follow)
        self._files.unsubscribe(self._leases_changed)
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        self._claims, self._decided = {}, {}
        self._events.clear()

    async def _fill(self) -> None:
        unnamed = list(self._policy.unnamed())
        for at, name in enumerate(list(self._policy.names())):
            claims = self._policy.decide(name, records=False).claims
            if claims:
                self._claims[name] = claims
            if at % AT_ONCE == 0:
                await self._turns.page()
        for claim in unnamed:
            if claim.address is not None:
                self._decided[claim.address] = None
        while self._decided:
            self._take(announce=False)
            await self._turns.page()

    def _follow(self, name: str, decision: Decision) -> None:
        self._decided[name] = decision.claims
        self._look_soon()

    def _leases_changed(self, changed: list[LeaseChange]) -> None:
        wall = time.time()
        for change in changed:
            lease = change.new or change.old
            if lease is not None:
                self._decided[lease.address] = None
                if why := changes.end(change, wall):
                    self._ends[lease.address] = why
        self._look_soon()

    def _look_soon(self) -> None:
        if self._soon is None and self._ready is not None and self._ready.done():
            self._soon = asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Compare some of what was decided with what was known; the rest in the next turn."""
        self._soon = None
        self._take(announce=True)
        if self._decided:
            self._look_soon()
        else:
            self._ends.clear()
        self._events.wake()

    def _take(self, *, announce: bool) -> None:
        wall = time.time()
        for _ in range(min(AT_ONCE, len(self._decided))):
            key = next(iter(self._decided))
            now = self._decided.pop(key)
            if now is None or isinstance(key, bytes):
                now = tuple(self._policy.unnamed(key)) if isinstance(key, bytes) else ()
            former = self._claims.pop(key, ())
            if now:
                self._claims[key] = now
            if not announce or former == now:
                continue
            if isinstance(key, str):  # a lease that claims a name is not unnamed
                for claim in (*former, *now):
                    if claim.lease is not None:
                        self._decided.setdefault(claim.lease.address, None)
            for kind, claim in changes.changes(former, now, self._ends):
                number = self._events.last + 1
                self._events.add(_encoded(changes.reply(number, kind, claim, wall)))


def _encoded(reply: MonitorReply) -> bytes:
    return encoded(reply, continues=True)
