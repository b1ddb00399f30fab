"""Keeps the published host table true: decides names again when something touches them.

In: changes of leases, neighbours, domains and rules, as the names they touch. Out: the table's
file, and each claim as decided. What changes before the event loop gets here goes into one table.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

from leasewatch.daemon.alarm import Alarm
from leasewatch.daemon.counters import Counters
from leasewatch.daemon.logs import Recent, fields
from leasewatch.hosttable.publisher import Publisher
from leasewatch.model import Claim, HostRecord, LeaseChange, NeighbourChange
from leasewatch.names.policy import Decision, NamePolicy
from nss_pyvirt.errors import UserError
from nss_pyvirt.snapshot import SnapshotError

Follower = Callable[[str, Decision], None]
Changed = Callable[[str, tuple[HostRecord, ...]], None]
_LOG = logging.getLogger(__name__)


class HostTable:
    """`decided` gets each claim that was decided, maybe as before."""

    def __init__(
        self,
        policy: NamePolicy,
        path: Path,
        decided: Callable[[Claim], None],
        counters: Counters | None = None,
    ) -> None:
        self._policy = policy
        self._publisher = Publisher(path)
        self._decided = decided
        self._counters = counters or Counters()
        self.followers: list[Follower] = []
        """Each is called with every name that was decided, maybe as before, and its decision."""
        self.changed: list[Changed] = []
        """Each is called with every name whose records in the table changed, and these."""
        self.published: list[Callable[[], None]] = []
        """Each is called after the table was written."""
        self._pending_wait = 0
        self._touched: set[str] = set()
        """Names to decide again."""
        self._due = True
        """The table must be published: the file differs from it."""
        self._started = False
        self._soon: asyncio.Handle | None = None
        self._refresh = Alarm(self._refresh_endless)
        self._logged = Recent()

    def __len__(self) -> int:
        """Names that answer."""
        return len(self._publisher)

    def generation(self) -> int:
        """Of the published table: it grows with each."""
        return self._publisher.generation

    def configure(self, pending_wait: int) -> None:
        """`pending_wait`: seconds that the lookup of a pending name may take."""
        self._due |= pending_wait != self._pending_wait
        self._pending_wait = pending_wait

    def adopt(self) -> int:
        """Go on from the table that is published; returns how many hosts it holds."""
        try:
            return self._publisher.adopt(time.time())
        except SnapshotError as error:
            _LOG.error("damaged host table, replacing it %s", fields(why=error.what))
            return 0

    def start(self) -> None:
        """Publish now, and whenever something changes from now on."""
        self._started = True
        self._update()

    def stop(self) -> None:
        """Publish no more; the file stays."""
        self._started = False
        self._refresh.cancel()
        if self._soon is not None:
            self._soon.cancel()

    def leases_changed(self, changes: list[LeaseChange]) -> None:
        """Decide the names of these leases again."""
        self.touch(self._policy.apply(changes))

    def neighbours_changed(self, changes: list[NeighbourChange]) -> None:
        """Decide the names of these neighbours again."""
        self.touch(self._policy.apply_neighbours(changes))

    def touch(self, names: set[str]) -> None:
        """Decide these names again, and publish if that changes the table."""
        self._touched |= names
        if (self._touched or self._due) and self._started and self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._update)

    def check(self) -> None:
        """Publish if that failed, if the clock was set, or if another program changed the file."""
        self._due |= self._publisher.refresh(time.time())
        if not self._due and not self._publisher.is_intact():
            _LOG.error("the host table was changed by others, replacing it")
            self._due = True
        self.touch(set())

    def decide(self) -> None:
        """Decide the touched names, without publishing."""
        wall = time.time()
        touched, self._touched = self._touched, set()
        for name in touched:
            decision = self._policy.decide(name)
            for claim in decision.claims:
                self._decided(claim)
            for follower in self.followers:
                follower(name, decision)
            self._set(name, decision.records, wall)

    def _set(self, name: str, records: tuple[HostRecord, ...], wall: float) -> None:
        try:
            if not self._publisher.set(name, records, wall):
                return
        except ValueError as error:
            self._log_once("name keeps its previous addresses", name=name, why=error)
            return
        self._due = True
        for changed in self.changed:
            changed(name, records)

    def _update(self) -> None:
        """Decide the touched names, and write the table if that changes it.

        If writing fails, the old table stays and `check` tries again.
        """
        self._soon = None
        self.decide()
        self._refresh.set_at(self._publisher.refresh_at)
        if not self._due:
            return
        began = time.perf_counter()
        try:
            lost = self._publisher.publish(time.time(), self._pending_wait)
        except (OSError, ValueError, UserError) as error:
            self._counters.publish_failures += 1
            self._log_once("publishing failed, keeping the previous table", why=error)
            return
        self._due = False
        took = time.perf_counter() - began
        self._counters.publishes += 1
        self._counters.publish_seconds += took
        self._counters.publish_longest = max(self._counters.publish_longest, took)
        for published in self.published:
            published()
        for name, host, other in lost:
            self._log_once("name left out", name=name, of=host, why=f"{other} answers to it")

    def _refresh_endless(self) -> None:
        self._due |= self._publisher.refresh(time.time())
        self._update()

    def _log_once(self, event: str, **values: object) -> None:
        if self._logged.is_new(shown := fields(**values)):
            _LOG.error("%s %s", event, shown)
