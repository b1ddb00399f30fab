"""The published names for programs that keep a copy: all of them, and then each change.

In: names whose published records changed, and new rules, only while somebody follows.
Out: encoded replies of `Records`, each made once. Changes of one round of the event loop go into
one reply, after the table was published. PAGE names go into a reply, and the rest into the next
round, so that other work has its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from ipaddress import ip_interface
from itertools import islice
from typing import Final

from leasewatch.api.backlog import Backlog
from leasewatch.api.interface import encoded
from leasewatch.api.records_interface import (
    NamedRecords,
    RecordNetwork,
    RecordsReply,
    named_records,
)
from leasewatch.api.turns import Turns
from leasewatch.hosttable.table import Changed
from leasewatch.model import HostRecord
from leasewatch.names.on_link import Prefix
from leasewatch.names.policy import NamePolicy

PAGE: Final = 100
"""Names of one reply."""
KEPT: Final = 1_000
"""Replies that are kept. A reader that is further behind is cut off; it may start again."""


class Records:
    """Who keeps a copy of the published names; used in the event loop alone."""

    def __init__(self, policy: NamePolicy, changed: list[Changed], turns: Turns) -> None:
        self._policy = policy
        self._changed = changed
        self._turns = turns
        self._replies = Backlog(KEPT)
        self._readers = 0
        self._names: dict[str, tuple[HostRecord, ...]] = {}
        """Changed, and not yet in a reply."""
        self._networks: list[RecordNetwork] = []
        self._blocked: list[str] = []
        self._rules_due = False
        """The rules may have changed since the last reply."""
        self._soon: asyncio.Handle | None = None

    async def follow(self) -> AsyncIterator[bytes]:
        """Every name with its records, then each change, for ever.

        Yields encoded replies. Raises TooSlowError.
        """
        self._begin()
        try:
            known = self._replies.last
            networks, blocked = self._networks, self._blocked
            names = list(self._policy.names())
            for at in range(0, len(names), PAGE):
                await self._turns.page()
                yield _encoded(self._decided(names[at : at + PAGE]), synced=False)
            yield _encoded([], networks=networks, blocked=blocked)
            async with aclosing(self._replies.follow(known)) as following:
                async for _, replies in following:
                    yield replies
        finally:
            self._end()

    def rules_changed(self) -> None:
        """Networks, or names that others may not have, may have changed."""
        if self._readers:
            self._rules_due = True
            self._look_soon()

    def _begin(self) -> None:
        self._readers += 1
        if self._readers == 1:
            self._changed.append(self._follow)
            self._networks, self._blocked = self._rules()

    def _end(self) -> None:
        self._readers -= 1
        if not self._readers:
            self._changed.remove(self._follow)
            self._replies.clear()
            self._names.clear()

    def _decided(self, names: Iterable[str]) -> list[NamedRecords]:
        """The names of these that have records."""
        found = ((name, self._policy.decide(name).records) for name in names)
        zone = self._policy.rules.zone
        return [named_records(name, records, zone) for name, records in found if records]

    def _follow(self, name: str, records: tuple[HostRecord, ...]) -> None:
        self._names[name] = records
        self._look_soon()

    def _look_soon(self) -> None:
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        """Make a reply of what has changed, or of some of it."""
        self._soon = None
        if not self._readers:
            return
        first = list(islice(self._names, PAGE))
        some = [(name, self._names.pop(name)) for name in first]
        networks, blocked = self._rules() if self._rules_due else (self._networks, self._blocked)
        self._rules_due = False
        if some or (networks, blocked) != (self._networks, self._blocked):
            reply = _encoded(
                [named_records(*one, self._policy.rules.zone) for one in some],
                networks=networks if networks != self._networks else None,
                blocked=blocked if blocked != self._blocked else None,
            )
            self._networks, self._blocked = networks, blocked
            self._replies.add(reply)
            self._replies.wake()
        if self._names:
            self._look_soon()

    def _rules(self) -> tuple[list[RecordNetwork], list[str]]:
        """The networks, and the names that no other host may have here."""
        rules = self._policy.rules
        networks = [
            RecordNetwork(
                name=name,
                suffix=suffix,
                prefixes=_cidrs(rules.prefixes.get(name, ())),
                shared=name in rules.shared,
            )
            for name, suffix in sorted(rules.suffixes.items())
        ]
        return networks, sorted(rules.reserved | rules.defined)


def _cidrs(own: Iterable[Prefix]) -> list[str]:
    return sorted({str(ip_interface(address).network) for address in own})


def _encoded(
    names: list[NamedRecords],
    *,
    networks: list[RecordNetwork] | None = None,
    blocked: list[str] | None = None,
    synced: bool = True,
) -> bytes:
    reply = RecordsReply(names=names, networks=networks, blocked=blocked, synced=synced)
    return encoded(reply, continues=True)
