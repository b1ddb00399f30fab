"""Keeps this host's names in a flat zone of another server (RFC 2136): `[dns.update]`.

It follows the table, sends what has changed, and tries again after an outage. After a start, an
outage, and when somebody else has changed the zone, it compares the zone with what should be there.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from leasewatch.api.dns_interface import ExportEntry, RefusedName
from leasewatch.daemon.logs import NOTICE, Recent, fields
from leasewatch.dns.table import NameTable
from leasewatch.dns.update_names import MAX_NAMES, Wanted
from leasewatch.dns.update_notes import Notes
from leasewatch.dns.update_plan import Owner, UpdatePlan
from leasewatch.dns.update_server import ServerError, UpdateServer
from leasewatch.dns.updater import Updater

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0
"""Seconds between two tries while the server cannot be used."""
_TICK: Final = 60.0
"""Seconds after which the serial is looked at, and refused names are tried again."""
_LOOK: Final = 600.0
"""Seconds after which a zone that has changed is compared: perhaps our records are others now."""
_MOST_SHOWN: Final = 100
"""Refused names in the status."""

_LOG = logging.getLogger(__name__)


class Exporter:
    """One zone of one server, as long as the settings name it."""

    def __init__(self, table: NameTable, server: UpdateServer, owner: Owner, folder: Path) -> None:
        self._table = table
        self._server = server
        self._wanted = Wanted(server.zone)
        self._plan = UpdatePlan(owner, self._wanted)
        self._notes = Notes(folder, server.zone)
        self._updater = Updater(self._plan, server, self._notes)
        self._due = asyncio.Event()
        """Something is to be looked at; first set when the table has all names."""
        self._task: asyncio.Task[None] | None = None
        self._table_known = False
        self._compared = False
        """The zone was compared since the last fault."""
        self._serial = self._compared_serial = 0
        """The zone's serial after our last change, or when we last looked; and when compared."""
        self._looked_at = self._compared_at = 0.0
        self._fault: ServerError | None = None
        self._worked = 0.0
        """When the server last took everything, Unix seconds; 0: never."""
        self._logged = Recent()

    def start(self) -> None:
        """Keep the zone, as soon as the table is known: what it lacks is removed."""
        self._notes.read()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Send no more. The names stay in the zone; `leasewatch dns withdraw` removes them."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def table_changed(self, names: Iterable[str]) -> None:
        """These decided names answer otherwise now. The first call has all names."""
        touched = self._wanted.change(self._table, names)
        if self._wanted.omitted and self._logged.is_new("omitted"):
            _LOG.error("too many names for the zone %s", fields(most=MAX_NAMES))
        self._plan.touch(touched)
        if touched or not self._table_known:
            self._table_known = True
            self._due.set()

    async def _run(self) -> None:
        wait = _FIRST_WAIT
        await self._due.wait()
        while True:
            try:
                await self._round()
            except Exception as error:  # noqa: BLE001  a strange reply must not end it
                self._compared = False
                self._failed(error)
                await asyncio.sleep(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            wait = _FIRST_WAIT
            self._succeeded()
            self._report_names()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), _TICK)

    async def _round(self) -> None:
        """Do everything that is due."""
        self._due.clear()
        now = time.monotonic()
        compares = not self._compared or await self._has_moved(now)
        if compares:
            self._compared = False
            await self._updater.compare()
        await self._updater.retry()
        changed = await self._updater.drain()
        if compares or changed:
            self._serial = await self._server.serial()
        if compares:
            self._compared, self._compared_at, self._looked_at = True, now, now
            self._compared_serial = self._serial

    async def _has_moved(self, now: float) -> bool:
        """Whether the zone has lost changes, or has others since it was compared, long ago."""
        if now - self._looked_at < _TICK:
            return False
        serial = await self._server.serial()
        went_back = (serial - self._serial) % 2**32 >= 2**31  # RFC 1982
        self._serial, self._looked_at = serial, now
        is_old = now - self._compared_at >= _LOOK
        return went_back or (is_old and serial != self._compared_serial)

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, ServerError):
            _LOG.error("exporting failed unexpectedly", exc_info=error)
            error = ServerError(f"{type(error).__name__}: {error}", "journalctl -u leasewatch-dns")
        if self._fault is None or self._fault.what != error.what:
            _LOG.error("names not exported %s", fields(why=error.what, hint=error.hint))
        self._fault = error

    def _succeeded(self) -> None:
        if self._fault is not None or not self._worked:
            shown = fields(
                zone=self._server.zone, server=self._server.shown, names=len(self._plan.known)
            )
            _LOG.log(NOTICE, "names exported %s", shown)
        self._fault, self._worked = None, time.time()

    def _report_names(self) -> None:
        for name, refusal in self._updater.refused:
            shown = fields(name=f"{name}.{self._server.zone}", why=refusal.why, hint=refusal.hint)
            if self._logged.is_new(shown):
                _LOG.warning("name not exported %s", shown)
        for name in self._updater.accepted:
            _LOG.log(NOTICE, "name exported %s", fields(name=f"{name}.{self._server.zone}"))
        self._updater.refused.clear()
        self._updater.accepted.clear()

    def entry(self) -> ExportEntry:
        """How it stands now."""
        fault = self._fault
        return ExportEntry(
            server=self._server.shown,
            zone=self._server.zone,
            names=len(self._plan.known),
            queued=self._plan.waiting(),
            sent=self._worked or None,
            error=fault.what if fault is not None else None,
            hint=fault.hint if fault is not None else None,
            refused=[
                RefusedName(name=name, why=one.why, hint=one.hint)
                for name, one in itertools.islice(self._plan.refused.items(), _MOST_SHOWN)
            ],
            refused_count=len(self._plan.refused),
        )
