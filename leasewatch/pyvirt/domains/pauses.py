"""Pause guests and let them go on. QEMU does it; the domain's parent writes it into its run state.

A paused guest keeps its memory, its names and its leases.
"""

from __future__ import annotations

import signal
import time

from leasewatch.files import locks
from leasewatch.model import ARRIVING, DomainState
from leasewatch.pyvirt import process
from leasewatch.pyvirt.domains import qmp_session
from leasewatch.pyvirt.domains.known import KnownDomains
from leasewatch.pyvirt.domains.moving import check_not_elsewhere
from leasewatch.pyvirt.domains.qmp_session import RefusedError
from leasewatch.pyvirt.domains.status import ASLEEP, FULL, SAVING
from leasewatch.pyvirt.files import DomainFiles, domain_state, not_arrived
from nss_pyvirt.errors import UserError

_ANSWER = 5.0  # seconds for QEMU to answer
_WRITTEN = 5.0  # seconds for the parent to write the new state


class DomainPauses(KnownDomains):
    """All domains below one root."""

    def pause(self, name: str) -> bool:
        """Stop the processors of a guest; False: it was paused already.

        One whose disk was full then goes on by `resume` alone.
        """
        files, now = self._now(name)
        if now.state == "paused":
            if now.why != FULL:
                return False
            _hold(files)
            then = _await(files, now)
            if then is None or then.state == "paused":
                return True
            now = then  # it had just gone on
        qmp_session.ask(files.qmp, "stop", timeout=_ANSWER)
        _await(files, now)
        return True

    def resume(self, name: str, *, force: bool = False) -> bool:
        """Let a paused guest go on; False: it was not paused. UserError if it cannot.

        `force`: even if it was handed over to another host. If it runs there, it then runs twice.
        """
        self.require(name)
        _check_not_moving(self._files(name))
        if force:
            self._files(name).handed_over.unlink(missing_ok=True)
        files, now = self._now(name)
        if now.state != "paused":
            return False
        check_not_elsewhere(files)
        command = "system_wakeup" if now.why == ASLEEP else "cont"
        try:
            qmp_session.ask(files.qmp, command, timeout=_ANSWER)
        except RefusedError as error:
            if not force:
                raise
            what = f"{name} cannot go on here, it went before its memory (QEMU: {error.desc})"
            again = f"sudo pyvirt domain stop --force {name} && sudo pyvirt domain start {name}"
            raise UserError(what, f"start it anew: {again}") from None
        then = _await(files, now)
        if then is not None and then.state == "paused":
            hint = f"pyvirt domain show {name}"
            raise UserError(f"{name} is paused again: {then.why}", hint)
        return True

    def _now(self, name: str) -> tuple[DomainFiles, DomainState]:
        """Files and state of a running domain; UserError if it has no guest that can go on."""
        self.require(name)
        files = self._files(name)
        state = domain_state(files)
        if state is None or not self.is_running(name):
            hint = f"sudo pyvirt domain start {name}"
            raise UserError(f"domain {name} is not running", hint, "not-running")
        if state.state == ARRIVING:
            raise not_arrived(name, state.why)
        if state.state == "panicked":
            hint = f"sudo pyvirt domain restart {name}"
            raise UserError(f"the kernel of {name} has panicked", hint)
        if state.why == SAVING:
            raise UserError(f"domain {name} is being saved", "wait until it is", "running")
        return files, state


def _check_not_moving(files: DomainFiles) -> None:
    """UserError if a command is moving the guest."""
    if locks.holder(files.driver) is not None:
        what = f"{files.name} is just being moved to another host"
        raise UserError(what, f"cancel that: sudo pyvirt domain migrate {files.name} --cancel")


def _hold(files: DomainFiles) -> None:
    """Ask the parent to leave the guest paused when its disk has room again."""
    with process.holder(files.lock) as pidfd:
        if pidfd is not None:
            signal.pidfd_send_signal(pidfd, signal.SIGUSR1)


def _await(files: DomainFiles, before: DomainState) -> DomainState | None:
    """The run state once the parent has written a change; None: it has ended."""
    deadline = time.monotonic() + _WRITTEN
    while (now := domain_state(files)) is not None and now.since == before.since:
        if time.monotonic() > deadline:
            raise UserError(f"QEMU has not changed the state of {files.name}", code="timeout")
        time.sleep(0.001)
    return now
