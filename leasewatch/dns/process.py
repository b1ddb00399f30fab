"""`leasewatch dns serve`: makes the parts, connects them, and follows the settings.

    Records (leasewatch.service) ─▶ table ─▶ each part ─▶ DNS, zones, peers' table, updates

Everything runs in one event loop. A change of the settings makes new parts; the table stays.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time

from leasewatch import settings
from leasewatch.api.dns_interface import DNS, Dns, DnsStatus
from leasewatch.api.introspection import DNS_INTERFACES
from leasewatch.api.peers import Peers
from leasewatch.api.server import VarlinkServer
from leasewatch.api.turns import Turns
from leasewatch.config import Config
from leasewatch.daemon import logs, memory, notify
from leasewatch.daemon.counters import Counters
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.daemon.logs import fields
from leasewatch.daemon.watchdog import Watchdog
from leasewatch.dns import doors, keys
from leasewatch.dns.following import Following
from leasewatch.dns.part import Part
from leasewatch.dns.table import NameTable
from leasewatch.dns.update_notes import report_left
from leasewatch.files.reading import Signature, signature
from leasewatch.paths import Paths
from nss_pyvirt import __version__
from nss_pyvirt.errors import UserError

_LOG = logging.getLogger(__name__)


class Process:
    """Everything that `leasewatch dns serve` is; made and run in one event loop."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._began = time.monotonic()
        self._config = Config()
        self._table = NameTable()
        self._following = Following(paths.varlink, self._table, self._changed)
        self._parts: list[Part] = []
        self._known_keys: list[Signature | None] = []
        self._ready = False
        self._watchdog = Watchdog()
        self._reloads = asyncio.Event()
        self._stop = asyncio.Event()
        self._peers = Peers(self._config.api, Counters())
        self._varlink = VarlinkServer(paths.dns_varlink, self._peers, Turns(), DNS_INTERFACES)
        self._varlink.offer(DNS, Dns(self._status))

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT, or until the settings leave nothing to do.

        Raises UserError.
        """
        memory.begin()
        memory.open_enough()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reloads.set)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # the command blocks it
        config = wanted(self._paths)
        await self._use(config, doors.parts(config.dns, self._table, self._paths))
        self._varlink.start()
        tasks = [
            asyncio.create_task(work())
            for work in (self._following.run, self._stop.wait, self._follow_settings)
        ]
        memory.settle()
        _LOG.info("started %s", fields(pid=os.getpid()))
        self._ready = True
        self._report_ready()
        self._watchdog.start()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            notify.notify("STOPPING=1")
            self._watchdog.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._varlink.stop()
            await self._stop_parts()
        _LOG.info("stopped %s", fields(names=len(self._table)))

    async def _follow_settings(self) -> None:
        """Reload at each SIGHUP; ends when nothing is left to do."""
        while True:
            await self._reloads.wait()
            self._reloads.clear()
            notify.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            found, faults = settings.load(self._paths.config)
            for fault in faults:
                _LOG.error(
                    "reload failed, keeping the previous settings %s", fields(why=fault.what)
                )
            if not faults and not found.dns.is_on():
                where = fields(path=self._paths.config)
                _LOG.info("[dns] is empty, nothing is left to do %s", where)
                self._paths.peers_snapshot.unlink(missing_ok=True)
                report_left(self._paths.dns_state, "")
                return
            if not faults:
                await self._reload(found)
            self._report_ready()

    async def _reload(self, found: Config) -> None:
        """Use new settings, or keep the previous ones if a key has a fault.

        The parts stay if neither [dns] nor a key has changed: clients keep their connections.
        """
        try:
            if (found.dns, self._key_files(found.dns)) != (self._config.dns, self._known_keys):
                made = doors.parts(found.dns, self._table, self._paths)
                await self._use(found, made)
            else:
                self._set(found)
            _LOG.info("reloaded %s", fields(path=self._paths.config))
        except UserError as error:
            shown = fields(why=error.what, hint=error.hint)
            _LOG.error("reload failed, keeping the previous settings %s", shown)

    async def _use(self, config: Config, made: list[Part]) -> None:
        """Start these parts in place of the former ones."""
        await self._stop_parts()  # before the new ones listen on the same ports
        self._set(config)
        self._known_keys = self._key_files(config.dns)
        for part in made:
            self._parts.append(part)
            part.start()
        if self._following.began:
            self._changed(set(self._table.records))

    def _set(self, config: Config) -> None:
        self._config = config
        logs.set_level(config.log.level)
        self._peers.limits = config.api

    def _key_files(self, wanted: DnsSettings) -> list[Signature | None]:
        """Which versions of the keys are there now."""
        named = (wanted.key, wanted.update.key)
        return [signature(keys.path_of(self._paths.dns_keys, name)) for name in named if name]

    async def _stop_parts(self) -> None:
        """Those that use others first."""
        while self._parts:
            await self._parts.pop().stop()

    def _changed(self, names: set[str]) -> None:
        for part in self._parts:
            part.table_changed(names)
        self._report_ready()

    def _status(self) -> DnsStatus:
        found = DnsStatus(
            version=__version__,
            pid=os.getpid(),
            uptime=round(time.monotonic() - self._began, 3),
            follows=self._following.is_synced,
            names=len(self._table),
        )
        for part in self._parts:
            part.report(found)
        return found

    def _report_ready(self) -> None:
        if self._ready:
            notify.notify("READY=1", f"STATUS={len(self._table)} names")


def wanted(paths: Paths) -> Config:
    """The settings, which give something to do. Faults are logged; raises UserError."""
    found, faults = settings.load(paths.config)
    for fault in faults:
        _LOG.error("settings: this entry is omitted %s", fields(why=fault.what))
    if not found.dns.is_on():
        if faults:
            raise faults[0]
        what = f"nothing to do: [dns] in {paths.config} sets neither listen, site nor update"
        raise UserError(what, "see SETTINGS in man leasewatch", "unavailable")
    return found
