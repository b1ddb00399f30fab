"""The service: files that change become names that answer. It makes the parts and wires them.

    watcher -> lease files -> host table (names' policy, publisher)
                           -> history
                           -> neighbours -> host table, history

Everything runs in one event loop; only the history writes in a thread of its own.
"""

from __future__ import annotations

import asyncio
import grp
import logging
import os
import signal
import socket
import time

from leasewatch import settings
from leasewatch.api.admin import Admin
from leasewatch.api.admin_interface import ADMIN, StatusReply
from leasewatch.api.answers import Answers
from leasewatch.api.feed import Feed
from leasewatch.api.interface import NAME, SourceEntry
from leasewatch.api.methods import LeaseWatch
from leasewatch.api.peers import STREAMS, Peers
from leasewatch.api.records import Records
from leasewatch.api.server import VarlinkServer
from leasewatch.api.source_entries import source_entries
from leasewatch.api.turns import Turns
from leasewatch.api.waits import Waits
from leasewatch.daemon import activation, logs, memory, notify
from leasewatch.daemon.alarm import Alarm
from leasewatch.daemon.counters import Counters
from leasewatch.daemon.logs import fields
from leasewatch.daemon.watchdog import Watchdog
from leasewatch.dns.hook import ResolveHook
from leasewatch.history.reader import HistoryReader
from leasewatch.history.writer import History
from leasewatch.hosttable.pending import PendingServer
from leasewatch.hosttable.table import HostTable
from leasewatch.inventory import NOTHING, Scanner
from leasewatch.leases.lease_files import LeaseFiles
from leasewatch.leases.watcher import Watcher
from leasewatch.metrics import Metrics
from leasewatch.model import LeaseChange, NeighbourChange
from leasewatch.names import labels
from leasewatch.names.policy import NamePolicy, Rules
from leasewatch.neighbours.given_back import unseen
from leasewatch.neighbours.watch import NeighbourWatch
from leasewatch.paths import Paths
from nss_pyvirt import __version__
from nss_pyvirt.users import GROUP

RESCAN_SECONDS = 5.0
"""How long a change that inotify did not report can stay unseen."""
SETTLE_SECONDS = 0.05
"""At the start: how long lease files must stand still before the first table…"""
SHRUNK_SECONDS = 0.5
"""…or so long if it would have half the hosts of the published one or fewer."""
SETTLE_TRIES = 60
"""How many times SETTLE_SECONDS a lease file that never stands still delays the start."""

_LOG = logging.getLogger(__name__)


class Service:
    """Everything that `leasewatch serve` is; made and run in one event loop.

    `times` are the NeighbourWatch's.
    """

    def __init__(
        self, paths: Paths, *, rescan_seconds: float = RESCAN_SECONDS, **times: float
    ) -> None:
        self._paths = paths
        self._config, faults = settings.load(paths.config)
        for fault in faults:
            _LOG.error("settings: this entry is omitted %s", fields(why=fault.what))
        self._rescan_seconds = rescan_seconds
        self._rescan_alarm = Alarm(self._rescan)
        self._watchdog = Watchdog()
        self._ready = False
        self._began = time.monotonic()
        self._counters = Counters()
        self._peers = Peers(self._config.api, self._counters, _admins())
        self._policy = NamePolicy(Rules())
        self._history = History(paths.history, self._config.history, counters=self._counters)
        self._files = LeaseFiles(self._history.first_appearances(), self._counters)
        self._scanner = Scanner(paths, self._files.holds)
        self._inventory = NOTHING
        self._pending = PendingServer(paths.pending, paths.snapshot, counters=self._counters)
        self._table = HostTable(
            self._policy,
            paths.snapshot,
            self._history.decided,
            self._counters,
        )
        self._table.published.append(self._pending.published)
        answers = Answers(self._policy, self._files.expired, self._sources)
        turns = Turns()
        self._feed = Feed(self._policy, self._table.followers, self._files, turns, self._counters)
        self._records = Records(self._policy, self._table.changed, turns)
        lease_watch = LeaseWatch(
            answers,
            self._feed,
            self._records,
            Waits(answers, self._table.followers),
            HistoryReader(paths.history, self._history.fault),
            self._table.generation,
        )
        self._varlink = VarlinkServer(paths.varlink, self._peers, turns)
        self._varlink.offer(NAME, lease_watch)
        self._hook = ResolveHook(paths, activation.inherited(), turns, self._counters)
        if self._hook.is_on:
            self._table.followers.append(self._hook.follow)
            self._table.published.append(self._hook.lookups.published)
        self._varlink.offer(ADMIN, Admin(self._peers, self._status, self._reload))
        self._metrics = Metrics(self._status)
        logs.set_level(self._config.log.level)
        self._watcher = Watcher(self._paths_changed, self._rescan)
        self._neighbours = NeighbourWatch(
            self._neighbours_changed, self._apply_rules, self._policy.knows, **times
        )
        self._files.subscribe(self._table.leases_changed)
        self._files.subscribe(self._history.changed)
        self._files.subscribe(self._neighbours.leases_changed)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; the published table stays. Raises UserError."""
        memory.begin()
        memory.open_enough()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # `cli.serve` blocks it
        try:
            await self._start()
            _LOG.info("started %s", fields(pid=os.getpid(), names=len(self._table)))
            self._ready = True
            self._report_ready()
            self._watchdog.start()
            await stop.wait()
        finally:
            notify.notify("STOPPING=1")
            self._watchdog.stop()
            await self._stop()
        _LOG.info("stopped %s", fields(names=len(self._table)))

    async def _start(self) -> None:
        """From the files as they are to the first table."""
        self._table.configure(self._config.names.pending_wait)
        self._hook.configure(self._config)
        self._look_at_everything()
        await self._settle(self._table.adopt())
        self._catch_up_with_the_past()
        self._pending.start()
        self._table.start()
        memory.settle()
        self._neighbours.rescan()  # whose MACs are known by now
        self._history.start(self._policy.held, self._files.is_waiting)
        self._varlink.start()
        self._hook.start()
        self._metrics.configure(self._config.metrics.listen)
        self._rescan_alarm.set(self._rescan_seconds)

    async def _settle(self, published: int) -> None:
        """Let every lease file stand still first: no published name may go by mistake."""
        if not published and not any(self._files.paths()):
            return
        await asyncio.sleep(SETTLE_SECONDS)
        self._files.rescan()
        self._table.decide()
        if 2 * len(self._table) <= published > 0:
            await asyncio.sleep(SHRUNK_SECONDS)
            self._files.rescan()
        for _ in range(SETTLE_TRIES):
            if not self._files.is_waiting():
                return
            await asyncio.sleep(SETTLE_SECONDS)

    def _catch_up_with_the_past(self) -> None:
        """What was given back while no service ran contradicts what the bridges saw before."""
        held = (h.new for h in self._policy.held() if isinstance(h, LeaseChange) and h.new)
        past, self._history.past = self._history.past, []
        known = self._files.known_networks()
        self._neighbours.were_given_back(unseen(past, held, known, time.time()))

    async def _stop(self) -> None:
        await self._hook.stop()  # first: what systemd-resolved has just asked would be lost
        self._rescan_alarm.cancel()
        self._table.stop()
        self._files.stop()
        self._watcher.stop()
        self._neighbours.stop()
        self._pending.stop()
        self._metrics.stop()
        await self._varlink.stop()
        self._feed.stop()
        await self._history.stop()

    def _paths_changed(self, paths: set[str]) -> None:
        if self._files.look(paths):
            self._look_at_everything()

    def _look_at_everything(self) -> None:
        """Take the inventory, and what follows from it for the rest."""
        there = self._inventory = self._scanner.scan(self._config)
        self._table.touch(self._policy.set_domains(there.domains))
        leased = {file.network for file in there.lease_files}
        self._neighbours.watch(there.bridges, there.domains, leased)
        self._apply_rules()
        self._files.watch(there.lease_files)
        if self._watcher.watch(set(self._files.paths()), there.folders):
            # A folder is seen from now on; what was written into it just before was not.
            self._look_at_everything()
            self._files.rescan()

    def _apply_rules(self) -> None:
        """Let the policy have what the settings, the inventory and the bridges say now."""
        names, there = self._config.names, self._inventory
        host = labels.fold(socket.gethostname())
        reserved = {host, host.split(".")[0], *map(labels.fold, names.reserved)}
        prefixes = self._neighbours.prefixes()
        self._hook.set_networks(there.suffixes, prefixes)
        rules = Rules(
            guest_claims=names.guest_claims,
            reserved=frozenset(reserved),
            defined=there.defined,
            suffixes=there.suffixes,
            ipv6=self._neighbours.ipv6_networks(),
            prefixes=prefixes,
            unrelayed=frozenset(there.bridges.keys() - self._config.bridges()),
            shared=there.shared,
            zone=self._config.dns.zone(host),
        )
        self._table.touch(self._policy.set_rules(rules))
        self._records.rules_changed()

    def _sources(self) -> list[SourceEntry]:
        return source_entries(self._files.states(), self._inventory.problems, self._config.off())

    def _status(self) -> StatusReply:
        files = list(self._files.states())
        waiting = [peer.waiting for peer in self._peers]
        return StatusReply(
            version=__version__,
            pid=os.getpid(),
            uptime=round(time.monotonic() - self._began, 3),
            generation=self._table.generation(),
            names=len(self._table),
            leases=sum(state.leases for state in files),
            networks=len({state.file.network for state in files}),
            sources=len(files),
            sources_unreadable=sum(state.unreadable is not None for state in files),
            clients=len(self._peers),
            waiting=waiting.count("Wait"),
            watching=sum(call in STREAMS for call in waiting),
            lookups_waiting=len(self._pending) + len(self._hook.lookups),
            log_level=logs.level(),
            counters=self._counters,
        )

    def _neighbours_changed(self, changes: list[NeighbourChange]) -> None:
        self._table.neighbours_changed(changes)
        self._history.neighbours_changed(changes)

    def _rescan(self) -> None:
        """Find what inotify missed, clocks that were set, and files of ours that were changed."""
        self._rescan_alarm.set(self._rescan_seconds)
        self._look_at_everything()
        self._files.rescan()
        self._files.expire()
        self._neighbours.rescan()
        self._history.tick()
        self._table.check()

    def _reload(self) -> list[str]:
        """Reload the settings. If they have faults, keep the old ones; returns what was logged."""
        notify.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        wanted, faults = settings.load(self._paths.config)
        for fault in faults:
            _LOG.error("reload failed, keeping the previous settings %s", fields(why=fault.what))
        if not faults:
            self._config = wanted
            self._table.configure(wanted.names.pending_wait)
            self._hook.configure(wanted)
            self._history.configure(wanted.history)
            self._peers.limits, self._peers.admins = wanted.api, _admins()
            logs.set_level(wanted.log.level)
            if self._ready:
                self._metrics.configure(wanted.metrics.listen)
            _LOG.info("reloaded %s", fields(path=self._paths.config))
        self._rescan()
        self._report_ready()
        return [fault.what for fault in faults]

    def _report_ready(self) -> None:
        if self._ready:  # a reload may come before
            names, networks = len(self._table), self._inventory.networks
            notify.notify("READY=1", f"STATUS={names} names of {networks} networks")


def _admins() -> int | None:
    """The group that may administer the service; None: there is none."""
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None
