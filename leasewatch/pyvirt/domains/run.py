"""`pyvirt domain run`: everything around QEMU, from making taps to releasing leases.

The run state lists all that may outlive this process before QEMU starts, so `sweep` can clean up
after a parent that was killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from leasewatch.daemon import alive
from leasewatch.files import locks
from leasewatch.model import ARRIVING, DomainState, NetworkState, Nic
from leasewatch.paths import Paths
from leasewatch.pyvirt import nft, process
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, tap_mac
from leasewatch.pyvirt.domains import disk, guest, probe, qemu, saved, tap
from leasewatch.pyvirt.domains.incoming import Incoming
from leasewatch.pyvirt.domains.listing import KILLED
from leasewatch.pyvirt.domains.machines import Chosen
from leasewatch.pyvirt.domains.status import Status
from leasewatch.pyvirt.files import (
    DomainFiles,
    NetworkFiles,
    domain_state,
    started_network,
)
from leasewatch.pyvirt.login import seed
from leasewatch.pyvirt.process import Say
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError

if TYPE_CHECKING:
    from leasewatch.pyvirt.domains.secrets import Secrets

_PATIENCE = 20.0  # seconds that another command on a network may take
_FIRST_LEASE: Mapping[Chosen, int] = {"kvm": 120, "tcg": 300}
"""Seconds for a guest's first lease, in which lookups of its name wait: emulation boots slowly."""

ASKS = 60
"""The same for a guest that has arrived from another host and has to ask for a new one."""


def run(
    paths: Paths,
    domain: DomainDefinition,
    accel: Chosen,
    say: Say,
    incoming: Incoming | None = None,
) -> None:
    """Run the domain until its guest ends; READY=1 once QMP answers.

    With `incoming` the guest arrives: QEMU waits for it, and no name is published until it runs.

    SIGTERM and SIGINT press its power button; it is ended `stop_timeout` seconds later, or at once
    by SIGQUIT. SIGHUP reads the definition again (`live`). SIGUSR1 keeps a guest paused whose disk
    is full. SIGUSR2 has a QEMU whose link was lost listen for the rest of its guest's memory.

    UserError where it runs already or cannot be started or filtered, and when QEMU fails.
    """
    files = DomainFiles(paths, domain.name)
    held = locks.ProcessLock(files.lock)
    with contextlib.ExitStack() as ours:
        signals = ours.enter_context(
            process.signals(signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
        )
        held.acquire()
        ours.callback(held.release)
        files.run.chmod(0o700)
        if domain_state(files) is not None:
            _sweep(files, KILLED)
        seed.refresh(files, domain)
        probe.look(paths, domain.arch).check_machine(domain.machine, domain.name)
        credentials = seed.credentials(files, domain)
        drives = disk.drives(paths, domain, _secrets(paths, domain))
        with _started_networks(paths, domain) as networks:
            opened = ours.enter_context(contextlib.ExitStack())
            taps, nics = _open_taps(opened, domain, networks)
            ends = ours.enter_context(_swept(files, opened.close))
            state = _first_state(domain, nics, _FIRST_LEASE[accel], incoming)
            _write(files, state)
            replacing.replace(files.started, msgspec.json.encode(domain), mode=0o600)

        def prepare() -> None:
            # QEMU takes longer to start than these imports, and no later one: files may change.
            from leasewatch.pyvirt.domains import live, sweep  # noqa: F401, PLC0415
            from leasewatch.pyvirt.login import known_hosts  # noqa: PLC0415
            from leasewatch.pyvirt.networks import hosts_entries  # noqa: PLC0415

            is_filtered = _filter(paths, state, say) and domain.mac_filtering
            if incoming is None:
                hosts_entries.update(paths, domain, running=True)
                known_hosts.publish(paths, domain, is_filtered=is_filtered)
            else:
                arrival.append(partial(_arrive, files, incoming, domain, say, is_filtered))

        arrival: list[Callable[[], None]] = []
        devices = qemu.Devices(drives, tuple(taps), credentials)
        wait = ASKS if incoming is not None and incoming.asks else 0
        record = partial(_record, files, state, arrival, wait)
        renew = partial(_renew, files, state, domain, say)
        given = guest.Given(domain, accel, devices, incoming)
        ends.append(guest.run(files, given, signals, record, renew, prepare))


def _first_state(
    domain: DomainDefinition, nics: tuple[Nic, ...], first_lease: int, incoming: Incoming | None
) -> DomainState:
    """The run state before QEMU starts."""
    now = time.time()
    state = DomainState(
        name=domain.name,
        aliases=domain.aliases,
        nics=nics,
        pid=os.getpid(),
        born=alive.born(os.getpid()),
        started=now,
        since=now,
        pending_until=int(now) + first_lease,
        mac_filtering=domain.mac_filtering,
    )
    if incoming is None:
        return state
    return msgspec.structs.replace(state, pending_until=0, state=ARRIVING, why=incoming.why)


def _secrets(paths: Paths, domain: DomainDefinition) -> Secrets:
    """The passphrases of its encrypted disks."""
    if not domain.may_be_encrypted:
        return {}
    from leasewatch.pyvirt.domains import secrets  # noqa: PLC0415  start-up time

    return secrets.take(paths, domain)


def _write(files: DomainFiles, state: DomainState) -> None:
    replacing.replace(files.state, msgspec.json.encode(state))


def _record(
    files: DomainFiles,
    first: DomainState,
    arrival: list[Callable[[], None]],
    wait: int,
    now: Status,
) -> None:
    """Write a new status into the run state; the first one of a guest that arrives ends that.

    Lookups of the name of a guest that has arrived wait up to `wait` seconds for its lease.
    """
    known = domain_state(files) or first
    if arrival and wait:
        known = msgspec.structs.replace(known, pending_until=int(time.time()) + wait)
    changed = msgspec.structs.replace(known, state=now.state, why=now.why, since=time.time())
    with contextlib.suppress(OSError):  # no room in /run: the guest goes on all the same
        _write(files, changed)
    while arrival:
        arrival.pop()()


def _arrive(
    files: DomainFiles, incoming: Incoming, domain: DomainDefinition, say: Say, is_filtered: bool
) -> None:
    """Make it a domain of this host: its guest runs. Who killed the command that moved it or not.

    The definition comes first: without it the other host keeps its own.
    """
    from leasewatch.pyvirt.login import known_hosts  # noqa: PLC0415  start-up time
    from leasewatch.pyvirt.networks import hosts_entries  # noqa: PLC0415  start-up time

    try:
        saved.use_up(files)
        if incoming.definition is not None:
            store.write(files.paths.domain_definitions, domain)
        hosts_entries.update(files.paths, domain, running=True)
        known_hosts.publish(files.paths, domain, is_filtered=is_filtered)
    except (OSError, UserError) as error:
        say(f"domain {domain.name} has arrived, but is not wholly set up: {error}")


def _renew(files: DomainFiles, first: DomainState, domain: DomainDefinition, say: Say) -> int:
    """Write what the definition says now into the run state; returns its `stop_timeout`.

    A definition that cannot be read changes nothing.
    """
    from leasewatch.pyvirt.domains import live  # noqa: PLC0415  start-up time

    try:
        now = store.read(files.paths.domain_definitions, domain.name, DomainDefinition)
        _write(files, live.renewed(domain_state(files) or first, now))
    except (OSError, UserError) as error:
        say(f"domain {domain.name} keeps its former definition: {error}")
        return domain.stop_timeout
    return now.stop_timeout


@contextlib.contextmanager
def _swept(files: DomainFiles, close_taps: Callable[[], None]) -> Iterator[list[str]]:
    """Clean up in the end, and keep the last of the reasons that were appended."""
    reasons = ["its process failed"]
    try:
        yield reasons
    except UserError as error:
        reasons.append(error.what)
        raise
    finally:
        _sweep(files, reasons[-1], close_taps)


def _sweep(files: DomainFiles, why: str, close_taps: Callable[[], None] = lambda: None) -> None:
    from leasewatch.pyvirt.domains.sweep import sweep  # noqa: PLC0415  start-up time

    sweep(files, why, close_taps)


@contextlib.contextmanager
def _started_networks(
    paths: Paths, domain: DomainDefinition
) -> Iterator[Mapping[str, NetworkState]]:
    """The domain's networks. None can be stopped until this ends; the run state keeps it then."""
    with contextlib.ExitStack() as held:
        networks = {}
        for name in sorted({nic.network for nic in domain.nics}):
            started_network(paths, name)  # fails at once if it is not started
            held.enter_context(locks.shared(NetworkFiles(paths, name).commands, _PATIENCE))
            networks[name] = started_network(paths, name)
        yield networks


def _open_taps(
    ours: contextlib.ExitStack, domain: DomainDefinition, networks: Mapping[str, NetworkState]
) -> tuple[list[int], tuple[Nic, ...]]:
    taps, nics = [], []
    for nic in domain.nics:
        fd, name = tap.open_tap(networks[nic.network].bridge, tap_mac(nic.mac))
        ours.callback(os.close, fd)
        taps.append(fd)
        nics.append(Nic(nic.network, nic.mac, name, nic.address or ""))
    return taps, tuple(nics)


def _filter(paths: Paths, state: DomainState, say: Say) -> bool:
    """Apply the MAC filter; False: this host cannot filter on bridges."""
    from leasewatch.pyvirt.mac_filter.apply import refresh_filter  # noqa: PLC0415  start-up time

    try:
        refresh_filter(paths, {nic.network for nic in state.nics}, begun=state)
    except nft.UnsupportedError as error:
        say(f"guests can send from any MAC and so take over names: {error.what}")
        return False
    return True
