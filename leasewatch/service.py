"""The service: files that change become names that answer. It wires the parts together.

One direction (DESIGN.md): watcher → lease files → name policy → publisher. All of it
runs in one event loop, so what changes while a table is built waits and goes into the next one.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator

import msgspec

from leasewatch import settings
from leasewatch.api.answers import Answers
from leasewatch.api.interface import SourceEntry
from leasewatch.api.server import VarlinkServer
from leasewatch.api.source_entries import source_entries
from leasewatch.daemon import alive, memory, notify
from leasewatch.daemon.logs import Recent, fields
from leasewatch.files.state_folder import StateFolder
from leasewatch.history.reader import HistoryReader
from leasewatch.history.writer import History
from leasewatch.hosttable.pending import PendingServer
from leasewatch.hosttable.publisher import Publisher
from leasewatch.leases.lease_files import LeaseFiles
from leasewatch.leases.watcher import Watcher
from leasewatch.model import (
    DomainState,
    LeaseChange,
    LeaseFile,
    NeighbourChange,
    NetworkState,
)
from leasewatch.names import aliases, labels
from leasewatch.names.defined_names import DefinedNames
from leasewatch.names.policy import NamePolicy, Rules
from leasewatch.neighbours.given_back import unseen
from leasewatch.neighbours.watch import NeighbourWatch
from leasewatch.paths import Paths
from leasewatch.sources.discovery import Discovery, Found
from nss_pyvirt.errors import UserError
from nss_pyvirt.snapshot import SnapshotError

RESCAN_SECONDS = 5.0
"""How long a change that inotify did not tell can stay unseen."""
SETTLE_SECONDS = 0.05
"""At the start: how long lease files must stand still before the first table…"""
SHRUNK_SECONDS = 0.5
"""…or so long if it would have half the hosts of the published one or fewer."""
SETTLE_TRIES = 60
"""How many times SETTLE_SECONDS a lease file that never stands still delays the start."""
MAX_TIMER = 3600.0
"""Wall clocks are set, timers do not follow: look at the clock at least so often."""


_LOG = logging.getLogger(__name__)


class Service:
    """Everything that `leasewatch serve` is; made and run in one event loop."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._faults = Recent()
        """The faults that were logged."""
        self._config, faults = settings.load(paths.config)
        for fault in faults:
            _LOG.error("settings: this entry is omitted %s", fields(why=fault.what))
        self._networks = StateFolder(paths.network_runs, NetworkState)
        self._domains = StateFolder(paths.domain_runs, DomainState)
        self._defined = DefinedNames(paths.domain_definitions)
        self._policy = NamePolicy(Rules())
        self._history = History(paths.history, self._config.history)
        appearances = self._history.first_appearances()
        self._files = LeaseFiles(appearances)
        self._files.subscribe(self._leases_changed)
        self._discovery = Discovery(paths.root, self._files.holds)
        self._found = Found([], [], {}, [], {})
        self._publisher = Publisher(paths.snapshot)
        self._pending = PendingServer(paths.pending, paths.snapshot)
        self._answers = Answers(self._policy, self._files.expired, self._sources)
        self._varlink = VarlinkServer(
            paths.varlink,
            self._answers,
            HistoryReader(paths.history, self._history.fault),
            lambda: self._publisher.generation,
        )
        self._touched: set[str] = set()
        """Names to decide anew."""
        self._must_publish = True
        self._started = False
        self._flush_handle: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rescan_timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; the published table stays. Raises UserError."""
        memory.begin()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # `cli.serve` blocks it
        self._watcher = Watcher(self._paths_changed, self._rescan)
        self._neighbours = NeighbourWatch(
            self._neighbours_changed, self._bridges_changed, self._policy.knows
        )
        try:
            self._look_at_everything()
            await self._settle(self._adopt())
            self._catch_up_with_the_past()
            self._pending.start()
            self._started = True
            self._flush()
            memory.settle()
            self._neighbours.rescan()  # whose MACs are known by now
            self._history.start(self._policy.held)
            await self._varlink.start()
            self._rescan_timer = loop.call_later(RESCAN_SECONDS, self._rescan)
            self._say_ready()
            _LOG.info("started %s", fields(pid=os.getpid(), names=len(self._publisher)))
            await stop.wait()
        finally:
            notify.notify("STOPPING=1")
            await self._stop()
        _LOG.info("stopped %s", fields(names=len(self._publisher)))

    async def _stop(self) -> None:
        for handle in (self._flush_handle, self._timer, self._rescan_timer):
            if handle is not None:
                handle.cancel()
        self._files.stop()
        self._watcher.stop()
        self._neighbours.stop()
        self._pending.stop()
        await self._varlink.stop()
        await self._history.stop()

    def _adopt(self) -> int:
        """How many hosts the table holds that is published already."""
        try:
            return self._publisher.adopt(time.time())
        except SnapshotError as error:
            _LOG.error("damaged host table, replacing it %s", fields(why=error.what))
            return 0

    async def _settle(self, published: int) -> None:
        """Let every lease file stand still first: nothing that is published may go by mistake."""
        await asyncio.sleep(SETTLE_SECONDS)
        self._files.rescan()
        self._decide()
        if 2 * len(self._publisher) <= published:
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

    def _paths_changed(self, paths: set[str]) -> None:
        lease_files = {path for path in paths if path in self._files}
        for path in lease_files:
            self._files.look(path)
        if paths != lease_files:
            self._look_at_everything()

    def _look_at_everything(self) -> None:
        """Networks, domains and definitions as they are now, and what follows for the rest."""
        self._networks.scan()
        self._domains.scan()
        lease_files = self._find()
        wall = time.time()
        there = (*self._running_domains(), *self._found.domains)
        domains = [aliases.no_longer_awaited(domain, wall) for domain in there]
        named = aliases.merge_hosts(domains, self._config.hosts())
        self._touched |= self._policy.set_domains(named)
        self._neighbours.watch(self._bridges(), named)
        self._touched |= self._policy.set_rules(self._rules(lease_files))
        self._files.watch(lease_files)
        folders = (
            self._paths.network_runs,
            self._paths.domain_runs,
            self._paths.domain_definitions,
        )
        ends = {str(folder): {".json", ".toml"} for folder in folders} | self._found.folders
        if self._watcher.watch(set(self._files.paths()), ends):
            # A folder is seen from now on; what was written into it just before was not.
            self._look_at_everything()
            self._files.rescan()
        self._schedule()

    def _running_domains(self) -> Iterator[DomainState]:
        """A guest dies with its parent, also with one that was killed and left its run state."""
        return (d for d in self._domains.values.values() if alive.is_alive(d.pid, d.born))

    def _find(self) -> list[LeaseFile]:
        """Every lease file; domains and folders of others are in `_found`."""
        settings = self._config
        self._found = self._discovery.scan(
            self._known(), settings.names.suffix, settings.off(), time.monotonic()
        )
        return self._found.lease_files

    def _sources(self) -> list[SourceEntry]:
        return source_entries(self._files.states(), self._found.problems, self._config.off())

    def _known(self) -> list[LeaseFile]:
        """The lease files of our own networks and of the settings."""
        ours = (
            LeaseFile(
                path=network.lease_file,
                network=network.name,
                suffix=network.suffix,
                kind="pyvirt",
                writer_pid=network.dnsmasq_pid,
                writer_born=network.dnsmasq_born,
            )
            for network in self._networks.values.values()
        )
        by_path = {file.path: file for file in (*self._config.lease_files(), *ours)}
        return list(by_path.values())

    def _bridges(self) -> dict[str, list[str]]:
        """The networks' bridges, as far as they are known."""
        ours = {network.name: [network.bridge] for network in self._networks.values.values()}
        return ours | self._config.bridges() | self._found.bridges

    def _rules(self, lease_files: list[LeaseFile]) -> Rules:
        host = labels.fold(socket.gethostname())
        reserved = {host, host.split(".")[0], *map(labels.fold, self._config.names.reserved)}
        return Rules(
            guest_claims=self._config.names.guest_claims,
            reserved=frozenset(reserved),
            defined=frozenset(map(labels.fold, self._defined.scan())),
            suffixes={file.network: file.suffix for file in lease_files},
            ipv6=self._neighbours.ipv6_networks(),
            prefixes=self._neighbours.prefixes(),
            unrelayed=frozenset(self._bridges().keys() - self._config.bridges()),
        )

    def _leases_changed(self, changes: list[LeaseChange]) -> None:
        self._touched |= self._policy.apply(changes)
        self._history.changed(changes)
        self._neighbours.leases_changed(changes)
        self._schedule()

    def _neighbours_changed(self, changes: list[NeighbourChange]) -> None:
        self._touched |= self._policy.apply_neighbours(changes)
        self._history.neighbours_changed(changes)
        self._schedule()

    def _bridges_changed(self) -> None:
        watch = self._neighbours
        there = {"ipv6": watch.ipv6_networks(), "prefixes": watch.prefixes()}
        rules = msgspec.structs.replace(self._policy.rules, **there)
        self._touched |= self._policy.set_rules(rules)
        self._schedule()

    def _schedule(self) -> None:
        """Publish once for everything that is ready now."""
        if self._started and self._flush_handle is None:
            self._flush_handle = asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_handle = None
        self._decide()
        if self._must_publish:
            self._publish()
        self._arm()

    def _decide(self) -> None:
        wall = time.time()
        touched, self._touched = self._touched, set()
        for name in touched:
            decision = self._policy.decide(name)
            for claim in decision.claims:
                self._history.decided(claim)
            try:
                self._must_publish |= self._publisher.set(name, decision.records, wall)
            except ValueError as error:
                self._log_fault("name keeps what it had", name=name, why=error)

    def _publish(self) -> None:
        """Write the table; after a failure the old one stays and the rescan tries again."""
        try:
            lost = self._publisher.publish(time.time(), self._config.names.pending_wait)
        except (OSError, ValueError, UserError) as error:
            self._must_publish = True
            self._log_fault("publishing failed, the former table stays", why=error)
        else:
            self._must_publish = False
            self._pending.published()
            for name, host, other in lost:
                why = f"{other} answers to it"
                self._log_fault("name left out", name=name, of=host, why=why)

    def _log_fault(self, event: str, **values: object) -> None:
        """Log an error once: a rescan tries again every few seconds."""
        if self._faults.is_new(shown := fields(**values)):
            _LOG.error("%s %s", event, shown)

    def _arm(self) -> None:
        """Wake up when the next lease ends or a never-ending one must be published anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = [at for at in (self._files.next_expiry(), self._publisher.next_refresh()) if at]
        if due:
            delay = min(max(min(due) - time.time(), 0.01), MAX_TIMER)
            self._timer = asyncio.get_running_loop().call_later(delay, self._time_passed)

    def _time_passed(self) -> None:
        wall = time.time()
        self._files.expire(wall)
        self._must_publish |= self._publisher.refresh(wall)
        self._flush()

    def _rescan(self) -> None:
        """What inotify missed, clocks that were set, files of ours that were harmed."""
        if self._rescan_timer is not None:
            self._rescan_timer.cancel()
        loop = asyncio.get_running_loop()
        self._rescan_timer = loop.call_later(RESCAN_SECONDS, self._rescan)
        self._look_at_everything()
        self._files.rescan()
        self._files.expire(time.time())
        self._neighbours.rescan()
        self._history.tick()
        if not self._must_publish and not self._publisher.is_intact():
            _LOG.error("the host table was changed by others, replacing it")
            self._must_publish = True
        if self._must_publish:
            self._schedule()

    def _reload(self) -> None:
        """Read the settings anew on SIGHUP; if they have a fault, log it and keep the old ones."""
        notify.reloading()
        former = self._config.names.pending_wait
        wanted, faults = settings.load(self._paths.config)
        for fault in faults:
            _LOG.error("reload failed, the former settings stay %s", fields(why=fault.what))
        if not faults:
            self._config = wanted
            self._must_publish |= wanted.names.pending_wait != former
            self._history.configure(wanted.history)
            _LOG.info("reloaded %s", fields(path=self._paths.config))
        self._rescan()
        self._say_ready()

    def _say_ready(self) -> None:
        if not self._started:
            return
        count = len(self._publisher)
        notify.notify("READY=1", f"STATUS={count} names of {len(self._networks.values)} networks")
