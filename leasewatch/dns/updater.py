"""Brings a flat zone in line with a plan: compares, sends changes, finds which one is refused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from leasewatch.dns.update_names import Wanted
from leasewatch.dns.update_notes import Notes
from leasewatch.dns.update_plan import Change, Owner, Refusal, UpdatePlan
from leasewatch.dns.update_server import (
    DENIED,
    DeniedError,
    TooBigError,
    UnmetError,
    UpdateServer,
)

_BATCH: Final = 50
"""Names of one message: making it takes 10 ms, in which the process answers no question."""
_MOST_RETRIED: Final = 200
"""Refused names that are tried again at a time."""
_MOST_DENIED: Final = 8
"""Denied names without one that is taken: the server seems to deny every name."""


class Updater:
    """Does what a plan says. Every method may raise ServerError; what was done then counts."""

    def __init__(self, plan: UpdatePlan, server: UpdateServer, notes: Notes) -> None:
        self.refused: list[tuple[str, Refusal]] = []
        """Names that were newly refused, for the caller to report and to clear."""
        self.accepted: list[str] = []
        """Names that had been refused and are in the zone now, likewise."""
        self._plan = plan
        self._server = server
        self._notes = notes
        self._denied: set[str] = set()
        """Names that the server did not allow since it allowed one."""

    async def compare(self) -> None:
        """Learn what the zone has of ours, also of names that only the notes know."""
        names = sorted(self._plan.names() | self._notes.names)
        there = await self._server.held(names)
        now = time.monotonic()
        self.refused += self._plan.compared(there, now)

    async def retry(self) -> None:
        """Try the refused names again whose time has come."""
        now = time.monotonic()
        names = self._plan.to_retry(now, _MOST_RETRIED)
        if names:
            self._plan.retry(names, await self._server.held_of(names), now)

    async def drain(self) -> bool:
        """Make every change that is due; returns whether there was one."""
        was_due = False
        while changes := self._plan.next_changes(_BATCH):
            if not self._server.gives_transfers:
                await self._notes.remember(self._plan.known, (one.name for one in changes))
            await self._make(changes)
            was_due = True
        await self._notes.remember((), self._plan.known)
        self._denied.clear()
        return was_due

    async def _make(self, changes: Sequence[Change]) -> None:
        """Make the changes in one message, or in smaller ones if the server does not take it."""
        try:
            await self._server.update(changes)
        except (UnmetError, DeniedError, TooBigError) as error:
            if len(changes) == 1:
                await self._examine(changes[0], error)
                return
            half = len(changes) // 2
            await self._make(changes[:half])
            await self._make(changes[half:])
            return
        self._denied.clear()
        self.accepted += self._plan.done(changes)

    async def _examine(self, change: Change, error: Exception) -> None:
        """Find out why the server did not make a single change."""
        if isinstance(error, UnmetError):
            there = await self._server.held_of([change.name])
            refusal = self._plan.found(change, there.get(change.name), time.monotonic())
        else:
            self._denied.add(change.name)
            if len(self._denied) >= _MOST_DENIED:
                self._plan.allow(self._denied)
                self.refused = [one for one in self.refused if one[0] not in self._denied]
                self._denied = set()
                raise self._server.denies_all()
            refusal = self._plan.refuse(change.name, *DENIED, time.monotonic())
        if refusal is not None:
            self.refused.append((change.name, refusal))


async def withdraw(server: UpdateServer, owner: Owner, notes: Notes) -> list[tuple[str, bool]]:
    """Remove everything of `owner` from the zone; returns each name, and whether it is gone."""
    plan = UpdatePlan(owner, Wanted(server.zone))
    updater = Updater(plan, server, notes)
    await updater.compare()
    names = sorted(plan.known)
    await updater.drain()
    return [(name, name not in plan.known) for name in names]
