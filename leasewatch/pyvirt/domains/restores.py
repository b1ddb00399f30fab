"""Let saved guests go on, as `start` does, or discard what was saved.

The domain's parent waits for the guest as for one that comes from another host. The file stays
until the guest runs, which the parent sees. So a failure or a kill loses nothing. No guest goes on
twice: one that has run has changed its disks.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from leasewatch.files import holders, locks
from leasewatch.model import ARRIVING
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains import disk, live, probe, relink, saved
from leasewatch.pyvirt.domains.incoming import Incoming
from leasewatch.pyvirt.domains.known import KnownDomains
from leasewatch.pyvirt.domains.qmp_session import QmpSession
from leasewatch.pyvirt.domains.saved import Saved
from leasewatch.pyvirt.files import DomainEnd, DomainFiles, domain_state, started_network
from leasewatch.pyvirt.images.qemu_img import complaint
from leasewatch.pyvirt.networks import dhcp_leases
from leasewatch.pyvirt.process import Say
from nss_pyvirt import pidfds, replacing
from nss_pyvirt.errors import UserError
from nss_pyvirt.terminal import show

if TYPE_CHECKING:
    from leasewatch.paths import Paths

_PATIENCE: Final = 60.0  # seconds that another command on the same domain may take
_ANSWER: Final = 20.0  # seconds for QEMU to answer
_END: Final = 20.0  # seconds for a parent that waits for a guest to end
_SLOWEST: Final = 4 << 20  # bytes a second that a disk reads at least
_LATE: Final = 5  # seconds that a clock may be behind without a word
_LEASE: Final = 7 * 86400  # seconds that dnsmasq gives; `networks.dnsmasq_conf`
_SHORTEST: Final = 3600  # seconds that other servers give
_MAPPED: Final = "mapped-ram"

Receive = Callable[[str, Incoming, Say], None]
"""Starts the parent that waits for a guest (`Domains.receive`)."""


class DomainRestores(KnownDomains):
    """All domains below one root."""

    def discard(self, name: str) -> bool:
        """Forget a saved guest: its domain is stopped. False: none is saved."""
        self.require(name)
        files = self._files(name)
        with locks.exclusive(files.commands, _PATIENCE):
            if self.is_running(name):
                hint = f"sudo pyvirt domain stop {name}"
                raise UserError(f"domain {name} is running", hint, "running")
            if not files.saved.exists():
                return False
            saved.use_up(files)
            end = DomainEnd(why="what was saved of it was discarded", since=time.time())
            replacing.replace(files.ended, msgspec.json.encode(end))
        return True


def restore(
    paths: Paths, domain: DomainDefinition, kept: Saved, receive: Receive, say: Say
) -> None:
    """Let the saved guest of a domain go on. The caller holds `files.commands`.

    UserError if it cannot: it stays saved.
    """
    files = DomainFiles(paths, domain.name)
    _check(paths, domain, kept)
    renewed = _without_lease(paths, domain, kept)
    since = f"it was saved {show.age(kept.since, time.time())} ago"
    with contextlib.ExitStack() as opened:
        try:
            receive(domain.name, Incoming(accel=kept.accel, why=since, asks=bool(renewed)), say)
            session = opened.enter_context(
                contextlib.closing(QmpSession(files.migration_qmp, _ANSWER))
            )
            _load(session, files, kept)
        except BaseException as error:
            end_arriving(files)
            if isinstance(error, UserError):
                raise _refusal(files, error.what) from error
            raise
        session.ask("cont")  # from here on it runs, and the parent removes the file
        if kept.was_paused:
            session.ask("stop")
        else:
            relink.bounce(session, renewed)
    _await_running(files)
    _announce(domain.name, kept, say)


def end_arriving(files: DomainFiles) -> None:
    """End a parent that still waits for its guest: its command has failed or was killed.

    The caller holds `files.commands`.
    """
    state = domain_state(files)
    if state is not None and state.state == ARRIVING:
        holders.stop(files.lock, _END)


def check_unsaved(files: DomainFiles, old: DomainDefinition, new: DomainDefinition) -> None:
    """UserError for a change that a saved guest could not go on with."""
    if not files.saved.exists() or not (words := live.waiting(old, new)):
        return
    what = f"domain {files.name} is saved: {' and '.join(words)} cannot change"
    raise UserError(what, f"let it go on first: sudo pyvirt domain restore {files.name}", "running")


def _refusal(files: DomainFiles, why: str) -> UserError:
    hint = f"it stays saved; to forget that: sudo pyvirt domain restore --discard {files.name}"
    return UserError(f"domain {files.name} cannot go on: {why}", hint)


def _check(paths: Paths, domain: DomainDefinition, kept: Saved) -> None:
    """UserError if the guest would not find what it remembers."""
    files = DomainFiles(paths, domain.name)
    found = probe.look(paths, domain.arch)
    if kept.is_mapped and _MAPPED not in found.migration.capabilities:
        what = f"QEMU {probe.spelt(kept.qemu)} has saved it, and {probe.spelt(found.version)} "
        raise _refusal(files, f"{what}cannot read that")
    if words := live.waiting(kept.domain, domain):
        raise _refusal(files, f"its definition has another {' and '.join(words)} now")
    drives = disk.drives(paths, domain)
    both = zip(saved.written(drives), saved.changed(drives), kept.disks, strict=True)
    for path, now, then in both:
        if now != then:
            raise _refusal(files, f"{path} was changed since it was saved")


def _without_lease(paths: Paths, domain: DomainDefinition, kept: Saved) -> list[int]:
    """The cards whose lease has run out, or will have before the guest renews it.

    The guest does so at half of the lease by its own clock, which has stood still.
    """
    passed = time.time() - kept.since
    found = []
    for index, nic in enumerate(domain.nics):
        state = started_network(paths, nic.network)
        if not state.lease_file:  # the lease is another server's
            is_leased = passed < _SHORTEST / 2
        else:
            leases = []
            with contextlib.suppress(OSError):
                leases = dhcp_leases.read(paths, nic.network)
            is_leased = passed < _LEASE / 2 and any(
                lease.hwaddr == nic.mac and not 0 < lease.expires <= time.time() for lease in leases
            )
        if not is_leased:
            found.append(index)
    return found


def _load(session: QmpSession, files: DomainFiles, kept: Saved) -> None:
    """Have QEMU read the file; UserError with its reason."""
    known = {each["capability"] for each in session.ask("query-migrate-capabilities")}
    wanted = {"events": True} | ({_MAPPED: kept.is_mapped} if _MAPPED in known else {})
    caps = [{"capability": name, "state": state} for name, state in wanted.items()]
    session.ask("migrate-set-capabilities", {"capabilities": caps})
    fd = os.open(files.saved, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.lseek(fd, saved.OFFSET, os.SEEK_SET)
        if _MAPPED in known:
            number = session.ask("add-fd", fds=[fd])["fdset-id"]
            uri = f"file:/dev/fdset/{number},offset={saved.OFFSET}"
        else:
            session.ask("getfd", {"fdname": "saved"}, fds=[fd])
            uri = "fd:saved"
    finally:
        os.close(fd)
    session.ask("migrate-incoming", {"uri": uri})
    deadline = time.monotonic() + _ANSWER + kept.size / _SLOWEST
    try:
        _await_loaded(session, deadline)
    except UserError as error:
        if error.code != "unavailable":
            raise
        raise UserError(last_words(files) or error.what) from None


def _await_loaded(session: QmpSession, deadline: float) -> None:
    while (event := session.next_event(deadline)) is not None:
        status: Any = event.data.get("status") if event.event == "MIGRATION" else None
        if status == "failed":
            raise UserError("QEMU cannot read the file", code="unavailable")
        if status == "completed":
            return
    raise UserError("QEMU has not read the file in time", code="timeout")


def last_words(files: DomainFiles) -> str:
    """What QEMU has said before it ended, once its parent has ended."""
    pidfd = holders.pidfd(files.lock)
    if pidfd is not None:
        pidfds.wait(pidfd, _END)
        os.close(pidfd)
    with contextlib.suppress(OSError):
        return complaint(files.qemu_log.read_text(errors="replace"))
    return ""


def _await_running(files: DomainFiles) -> None:
    """Wait until the parent has seen that the guest runs."""
    deadline = time.monotonic() + _ANSWER
    while (state := domain_state(files)) is not None and state.state == ARRIVING:
        if time.monotonic() > deadline:
            raise UserError(f"QEMU does not let {files.name} run", code="timeout")
        time.sleep(0.002)


def _announce(name: str, kept: Saved, say: Say) -> None:
    """Say where the guest goes on, and that its clock is late."""
    late = time.time() - kept.since
    say(f"{name} goes on where it was saved {show.age(kept.since, time.time())} ago")
    if late > _LATE and not kept.was_paused:
        say(f"its clock is late until it asks a time server: ssh {name} sudo hwclock --hctosys")
