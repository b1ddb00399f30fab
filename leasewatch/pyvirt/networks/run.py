"""`pyvirt network run`: the process that holds a started network, repairs it and undoes it.

Each step may be repeated, and undone even if it was not done. So starting, repairing, and cleaning
up after a killed process are the same code.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Collection
from typing import Any

import msgspec

from leasewatch.daemon import alive, notify
from leasewatch.files import locks
from leasewatch.names.defined_names import DefinedNames
from leasewatch.paths import Paths
from leasewatch.pyvirt import nft, process
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.network import Network, bridge, bridge_mac, bridge_name
from leasewatch.pyvirt.files import NetworkFiles, running_domains
from leasewatch.pyvirt.networks import dnsmasq_conf, hosts_entries, nat, sysctl, unmanaged
from leasewatch.pyvirt.networks.backoff import Backoff
from leasewatch.pyvirt.networks.bridge import bridge_deleted, configure_bridge, make_bridge
from leasewatch.pyvirt.networks.diversions import Diversions, both_diversions
from leasewatch.pyvirt.networks.dnsmasq import SETTLED, Dnsmasq
from leasewatch.pyvirt.networks.forwarding import Forwarding
from leasewatch.pyvirt.networks.losses import FILTER
from leasewatch.pyvirt.networks.parent import Parent
from leasewatch.pyvirt.networks.resolvers import Resolvers
from nss_pyvirt.errors import UserError

_LOOK = 1.0  # seconds between looks at folders that change all the time


def run(paths: Paths, network: Network, diversions: Collection[Diversions]) -> None:
    """Hold the network until SIGTERM or SIGINT; SIGHUP repairs it. READY=1 once guests can lease.

    All or nothing: when a step fails, the earlier ones are undone and UserError gives the reason.
    """
    files = NetworkFiles(paths, network.name)
    held = locks.ProcessLock(files.lock)
    with contextlib.ExitStack() as ours:
        # First: the lock's holder may get any of them.
        signals = ours.enter_context(process.signals())
        held.acquire()
        parent = _parent(files, network)
        ours.callback(_give_back, parent, files, held)
        try:
            parent.up(diversions)
        except OSError as error:
            raise UserError(f"cannot start network {network.name}: {error}") from error
        parent.is_up = True
        notify.notify("READY=1")
        parent.watch(signals)
        notify.notify("STOPPING=1")
        _report_users(files)
        import threading  # noqa: PLC0415  start-up time

        threading.Thread(target=parent.close).start()  # inotify takes 20 ms to end


def _report_users(files: NetworkFiles) -> None:
    """Log whom this cuts off: `pyvirt network stop` refuses that, but `systemctl stop` cannot."""
    name = files.name
    domains = running_domains(files.paths)
    cut = [each.name for each in domains if any(nic.network == name for nic in each.nics)]
    if cut:
        what = f"running domains have no network now: {', '.join(cut)}"
        process.note(f"pyvirt: {what}\n  hint: sudo pyvirt network start {name}")


def _parent(files: NetworkFiles, network: Network) -> Parent:
    if network.bridge:
        from leasewatch.pyvirt.networks.bridged import Bridged  # noqa: PLC0415  start-up time

        return Bridged(files, network)
    return _Own(files, network)


def _give_back(parent: Parent, files: NetworkFiles, held: locks.ProcessLock) -> None:
    """Undo everything. If that fails, the lock's file stays, and `stop` tries again."""
    parent.quit()
    with contextlib.ExitStack() as steps:
        if not parent.is_up:  # there is nothing to stop
            steps.callback(held.release)
        steps.callback(parent.stop)
        take_down(files)
    held.release()


def take_down(files: NetworkFiles) -> None:
    """Undo everything of a started network except dnsmasq, which ends with its parent.

    Missing parts are no error, and a failing step does not stop the others. Leases and hosts.d
    entries stay.
    """
    with contextlib.ExitStack() as steps:
        steps.callback(_clear_run, files)
        steps.callback(unmanaged.remove, files.paths, files.name)
        steps.callback(_delete_bridge, files.name)
        steps.callback(sysctl.restore, files.sysctls, files.name)
        files.state.unlink(missing_ok=True)


class _Own(Parent):
    """A network with a bridge of its own, and dnsmasq."""

    def __init__(self, files: NetworkFiles, network: Network) -> None:
        super().__init__(files, network)
        self._defined = DefinedNames(files.paths.domain_definitions)
        self._resolvers = Resolvers(files.paths.resolvers, files.resolvers)
        self._forwarding = Forwarding(files.paths)
        self.dnsmasq = Dnsmasq(files.run, files.leases)
        self._retries = Backoff()
        self._complaint = ""
        """Why the last start of dnsmasq failed."""
        self._writer = 0, 0
        """Pid and start time of the last dnsmasq; while it is dead, the service drops no lease."""
        self._hosts_changed = 0
        """When the --dhcp-hostsdir had last changed, at the last look."""
        self._heard = False
        """Something has changed in the folders since they were looked at last."""
        self._is_polling = False
        """Change notification is unavailable."""
        self._looked = time.monotonic()
        self._look_at: float | None = self._looked
        """When to look at leases, hosts and log next; None: after the next change."""

    def up(self, diversions: Collection[Diversions] = ()) -> None:
        """Make what is missing. The bridge passes no packet before the firewall is there."""
        wanted, made = bridge(self._network), list[bool]()

        def prepare() -> None:
            unmanaged.write(self._files.paths, self._network.name)
            is_new = not self._files.hosts.is_dir()
            self._write_files()
            made.append(make_bridge(wanted) or is_new)

        try:
            nft.apply(nat.install(self._network, replacing=False), prepare)
        except UserError:  # replacing an earlier table takes longer, since the kernel waits
            nft.apply(nat.install(self._network, replacing=True))
        if not made:
            prepare()
        running = running_domains(self._files.paths)
        if running:
            from leasewatch.pyvirt.mac_filter.apply import refresh_filter  # noqa: PLC0415  start-up time

            with contextlib.suppress(nft.UnsupportedError):  # reported when they were started
                refresh_filter(self._files.paths, [self._network.name])
        configure_bridge(wanted, self._taps(running))
        if self._network.mode == "nat":
            sysctl.apply(self._files.sysctls, self._network.name, sysctl.forwarding())
        if any(made):  # dnsmasq uses the former bridge or folder
            self.dnsmasq.stop()
        self.dnsmasq.ensure(*self._settings(), lambda: self._check_reached(diversions))
        self._write_state()

    def _check_reached(self, diversions: Collection[Diversions]) -> None:
        """UserError if the host sends packets for guests anywhere but to the bridge."""
        name, subnets = self._network.name, (self._network.subnet, self._network.subnet6)
        pairs = zip(diversions or both_diversions(), subnets, strict=True)
        looks = [each.look(subnet, bridge_name(name)) for each, subnet in pairs]
        for found in [look() for look in looks]:
            if found:
                raise UserError(
                    f"guests of network {name} cannot be reached: {found.what}",
                    found.hint or f"change it in {self._files.definition}",
                )

    def _write_files(self) -> None:
        """Write what dnsmasq reads, in folders that it may enter without root."""
        files = self._files
        runs = files.paths.network_runs
        state = files.leases.parent
        for folder in (runs.parent, runs, files.run, files.hosts, state.parent, state):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o755)  # the umask may forbid it
        hosts_entries.complete(files.paths, files.name)
        hosts_entries.reserve(files, self._network)
        self._resolvers.refresh()

    def quit(self) -> None:
        """Ask dnsmasq to end."""
        self.dnsmasq.quit()

    def stop(self) -> None:
        """Wait until it has ended."""
        self.dnsmasq.stop()

    def close(self) -> None:
        """Stop noticing changes."""
        self._folders.close()
        super().close()

    def watch(self, signals: int) -> None:
        """Keep dnsmasq running and its leases copied, until SIGTERM or SIGINT."""
        # Not before: guests can lease already.
        from leasewatch.pyvirt.mac_filter.held_addresses import HeldAddresses  # noqa: PLC0415
        from leasewatch.pyvirt.networks import directory_notifier  # noqa: PLC0415

        self._folders = directory_notifier.DirectoryNotifier()
        self._held = HeldAddresses(self._files, self._network)
        while True:
            numbers = self._wait(signals)
            if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                return
            if self._must_mend(asked=signal.SIGHUP in numbers):
                self._mend()
            elif not self.dnsmasq.is_running():
                if time.monotonic() >= self._retries.due:
                    self._revive()
            elif _is_due(self._look_at):
                self._look()
            elif _is_due(self._held.due):
                self._look_at_leases()

    def _look_soon(self) -> None:
        """Look at leases for the filter at once; at the rest later, once a second at most."""
        self._heard = True
        self._held.notice()
        if self._look_at is None:
            self._look_at = max(self._looked + _LOOK, time.monotonic() + 2 * SETTLED)

    def _must_mend(self, *, asked: bool) -> bool:
        """Whether something must be repaired now: it is lost, or `asked` for."""
        lost = self._lost(time.monotonic())
        if asked:
            self._take_over()
        if asked or FILTER in lost:
            self._held.reset()
        return asked or bool(lost)

    def _take_over(self) -> None:
        """Follow the definition in what a started network can change."""
        definitions, former = self._files.paths.network_definitions, self._network
        with contextlib.suppress(UserError):  # a broken one changes nothing
            new = store.read(definitions, former.name, Network)
            if not new.bridge:
                kept = {key: getattr(former, key) for key in ("subnet", "subnet6")}
                self._network = self._losses.network = msgspec.structs.replace(new, **kept)
        if former.mode != self._network.mode == "isolated":
            sysctl.restore(self._files.sysctls, former.name)

    def _look(self) -> None:
        """Look at all files whose changes matter."""
        if not self._files.hosts.is_dir():
            process.note(f"{self._files.hosts} was removed: creating it again")
            self._mend()
        self._look_at_leases()
        try:
            self.dnsmasq.trim_log()
            whole = self.dnsmasq.keep_leases()
            self._resolvers.refresh()
        except OSError as error:  # a full disk, say: the former copies stay
            process.note(f"leases of network {self._network.name} are not copied: {error}")
            whole = False
        with contextlib.suppress(FileNotFoundError):  # it could not be recreated
            self._forget_removed_hosts()  # after the copy: dnsmasq is at work then
        try:
            if self.dnsmasq.is_running():  # else it is revived, ever more slowly
                self._renew_dnsmasq()
        except (OSError, UserError) as error:  # it is retried
            process.note(f"dnsmasq of network {self._network.name}: {error}")
        self._looked = time.monotonic()
        self._look_at = self._looked + _LOOK if self._is_polling or not whole else None

    def _look_at_leases(self) -> None:
        self._watch_folders()
        self._held.update(writer_lives=self.dnsmasq.is_running())
        if self._is_polling:
            self._held.notice()
            self._look_at = self._looked + _LOOK

    def _watch_folders(self) -> None:
        """Notice changes from now on, or poll where the kernel has no inotify instance left."""
        files, domains = self._files, self._files.paths.domain_definitions
        there = next(folder for folder in (domains, *domains.parents) if folder.is_dir())
        ours = (files.leases.parent, files.hosts, files.run, there)
        others = (*self._resolvers.folders(), *self._forwarding.folders())
        self._heard = False
        try:
            self._folders.watch([*ours, *others])
        except OSError as error:
            self._folders.close()
            if not self._is_polling:
                what = "change notification is unavailable; falling back to polling"
                process.note(f"{what}: {error}")
            self._is_polling = True
        else:
            self._is_polling = False

    def _forget_removed_hosts(self) -> None:
        """Make dnsmasq forget removed entries; it notices only new ones by itself."""
        changed = self._files.hosts.stat().st_mtime_ns
        if changed != self._hosts_changed:
            self.dnsmasq.reload_hosts()
        self._hosts_changed = changed

    def _wait(self, signals: int) -> bytes:
        """Wait for signals, a change or dnsmasq's end; returns the signals, one byte each."""
        poll = select.poll()
        poll.register(signals, select.POLLIN)
        due: float | None = self._retries.due
        if self.dnsmasq.is_running():
            poll.register(self.dnsmasq.pidfd, select.POLLIN)
            due = _first(self._look_at, self._held.due)
        folders = -1 if self._heard else self._folders.fileno()
        for fileno in (*self._losses.filenos(), folders):
            if fileno >= 0:
                poll.register(fileno, select.POLLIN)
        due = _first(due, self._losses.due)
        timeout = None if due is None else max(0.0, due - time.monotonic()) * 1000
        ready = dict(poll.poll(timeout))
        if not ready.keys().isdisjoint(self._losses.filenos()):
            self._losses.notice(time.monotonic())
        if folders in ready:
            self._look_soon()
        return os.read(signals, 64) if signals in ready else b""

    def _revive(self) -> None:
        """Restart dnsmasq: at once, then less and less often while it keeps dying."""
        self._retries.attempt(time.monotonic())
        if not self._complaint:
            process.note(f"dnsmasq of network {self._network.name} has ended: starting it again")
        try:
            self._renew_dnsmasq()
        except (OSError, UserError) as error:
            if str(error) != self._complaint:
                process.note(f"dnsmasq of network {self._network.name}: {error}")
            self._complaint = str(error)

    def _renew_dnsmasq(self) -> None:
        """Start dnsmasq unless it runs with the current configuration."""
        if self.dnsmasq.ensure(*self._settings()):
            self._complaint = ""
            self._write_state()

    def _settings(self) -> tuple[str, list[str]]:
        """The current configuration of dnsmasq, and the names that it refuses to guests."""
        files, network = self._files, self._network
        zone = f"{network.name}.{network.suffix}"
        kept = dnsmasq_conf.kept_names(self._defined.scan(), socket.gethostname(), zone)
        leases, hosts, resolvers = map(str, (files.leases, files.hosts, files.resolvers))
        forwarded = self._forwarding.lines(network)
        return dnsmasq_conf.render(network, leases, hosts, resolvers, kept, forwarded), kept

    def _write_state(self, fault: str = "") -> None:
        """Write the run state, also for a new dnsmasq: the service drops no lease of a dead one."""
        if pid := self.dnsmasq.pid:
            self._writer = pid, alive.born(pid)
        super()._write_state(fault)

    def _own_state(self) -> dict[str, Any]:
        return {
            "lease_file": str(self._files.leases),
            "subnets": (self._network.subnet, self._network.subnet6),
            "dnsmasq_pid": self._writer[0],
            "dnsmasq_born": self._writer[1],
        }


def _first(*times: float | None) -> float | None:
    return min((at for at in times if at is not None), default=None)


def _is_due(at: float | None) -> bool:
    return at is not None and time.monotonic() >= at


def _delete_bridge(name: str) -> None:
    """The rules go after the bridge: nothing is ever unguarded."""
    with contextlib.ExitStack() as steps:
        try:
            steps.enter_context(bridge_deleted(bridge_name(name), bridge_mac(name)))
        finally:
            steps.callback(_delete_tables, name)


def _delete_tables(name: str) -> None:
    from leasewatch.pyvirt.mac_filter import ruleset  # noqa: PLC0415  start-up time

    try:
        nft.apply(ruleset.remove(name) + nat.remove(name))
    except nft.UnsupportedError:  # a kernel that cannot filter on bridges has no such table
        nft.apply(nat.remove(name))


def _clear_run(files: NetworkFiles) -> None:
    for file in (files.dnsmasq_conf, files.resolvers, files.run / "leases.settled"):
        file.unlink(missing_ok=True)
