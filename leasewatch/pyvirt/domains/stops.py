"""End domains, several at once: by the power button, or by force."""

from __future__ import annotations

import contextlib
import select
import signal
import time
from collections.abc import Iterable, Iterator

from leasewatch.pyvirt import process
from leasewatch.pyvirt.domains import qmp
from leasewatch.pyvirt.domains.known import KnownDomains
from leasewatch.pyvirt.domains.status import ON_REQUEST
from leasewatch.pyvirt.files import DomainFiles, domain_state
from leasewatch.pyvirt.process import Say
from nss_pyvirt import programs
from nss_pyvirt.errors import UserError

_GRACE = 60  # seconds to shut down where the definition cannot be read
_AGAIN = 5.0  # seconds until the power button is pressed once more: a booting guest misses it
_QUIT = 15.0  # seconds for `domain run` to end QEMU and clean up
_KILLED = 5.0  # seconds that SIGKILL may take
_PATIENCE = 60.0  # seconds that another command on the same domain may take
_ANSWER = 5.0  # seconds for QEMU to answer

Ended = tuple[str, UserError | None]
"""A domain's name, and why it has not ended; None: it has."""


class DomainStops(KnownDomains):
    """All domains below one root."""

    def stop(
        self, names: Iterable[str], say: Say, *, timeout: int | None = None, force: bool = False
    ) -> Iterator[Ended]:
        """End guests, all at once; yields each as soon as it has ended or cannot be.

        Each gets `timeout` seconds to shut down; None: what its definition says. With `force` it is
        ended then. No error where it does not run.
        """
        with contextlib.ExitStack() as held:
            ends: dict[int, _End] = {}
            for name in dict.fromkeys(names):
                try:
                    end = self._begin(name, held, timeout, force=force)
                except UserError as error:
                    yield name, error
                    continue
                if end is None:
                    yield self._ended(self._files(name))
                else:
                    ends[end.pidfd] = end
            _announce([end for end in ends.values() if end.grace], say)
            yield from self._wait(ends)

    def _begin(
        self, name: str, held: contextlib.ExitStack, timeout: int | None, *, force: bool
    ) -> _End | None:
        """Take the first step; None: it does not run."""
        self._require(name)
        files = self._files(name)
        pidfd = held.enter_context(process.holder(files.lock))
        if pidfd is None:
            return None
        if timeout is None:
            timeout = self._grace(name)
        return _End(files, pidfd, timeout, force=force)

    def _grace(self, name: str) -> int:
        try:
            return self.get(name).stop_timeout
        except UserError:  # broken, or removed under a running domain
            return _GRACE

    def _wait(self, ends: dict[int, _End]) -> Iterator[Ended]:
        poll = select.poll()
        for pidfd in ends:
            poll.register(pidfd, select.POLLIN)
        while ends:
            left = min(end.due for end in ends.values()) - time.monotonic()
            for pidfd, _ in poll.poll(max(0.0, left) * 1000):
                poll.unregister(pidfd)
                yield self._ended(ends.pop(pidfd).files)
            for pidfd, end in [*ends.items()]:
                try:
                    end.act()
                except UserError as error:
                    poll.unregister(pidfd)
                    del ends[pidfd]
                    yield end.files.name, error

    def _ended(self, files: DomainFiles) -> Ended:
        try:
            self._clear_up(files, _PATIENCE)
        except UserError as error:
            return files.name, error
        return files.name, None


class _End:
    """One guest that is to end. UserError if it cannot shut down and no `force` is used."""

    def __init__(self, files: DomainFiles, pidfd: int, grace: int, *, force: bool) -> None:
        self.files, self.pidfd = files, pidfd
        self.grace = grace
        """Seconds that it gets to shut down."""
        self._force = force
        self._is_paused = False
        self._look()
        self._steps = self._steps_to_take()
        self.due = 0.0
        """When the next step is to be taken, if it has not ended by then."""
        self.act()

    def act(self) -> None:
        """Take the next step if it is due; UserError if there is none."""
        now = time.monotonic()
        if now >= self.due:
            self.due = now + next(self._steps)

    def _look(self) -> None:
        """A guest that cannot react to the power button is not waited for."""
        state = domain_state(self.files)
        if state is None or state.state not in {"paused", "panicked"}:
            return
        self._is_paused = state.why == ON_REQUEST
        if self._is_paused:
            return
        if state.state == "paused" and not self._force:
            hint = f"resume it first, or: sudo pyvirt domain stop --force {self.files.name}"
            raise UserError(f"{self.files.name} is paused: {state.why}", hint, "running")
        self.grace, self._force = 0, True

    def _steps_to_take(self) -> Iterator[float]:
        """Each yields for how many seconds to wait for its end."""
        name = self.files.name
        if self.grace or not self._force:
            deadline = time.monotonic() + self.grace
            while True:
                self._press()
                yield max(0.0, min(_AGAIN, deadline - time.monotonic()))
                if time.monotonic() >= deadline:
                    break
        if not self._force:
            what = f"{name} has not shut down within {self.grace} s"
            raise UserError(what, f"sudo pyvirt domain stop --force {name}", "timeout")
        for number, patience in ((signal.SIGQUIT, _QUIT), (signal.SIGKILL, _KILLED)):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, number)
            yield patience
        raise UserError(f"the process of {name} does not end, even when killed")

    def _press(self) -> None:
        """Press the power button; UserError if QEMU does not answer, and is not just ending."""
        try:
            if self._is_paused:
                qmp.ask(self.files.qmp, "cont", timeout=_ANSWER)
                self._is_paused = False
            qmp.ask(self.files.qmp, "system_powerdown", timeout=_ANSWER)
        except UserError:
            if not self._force and not programs.wait_pidfd(self.pidfd, 1):
                raise


def _announce(ends: list[_End], say: Say) -> None:
    """Say who is waited for, and for how long."""
    if not ends:
        return
    names = [end.files.name for end in ends]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    be = "is" if len(names) == 1 else "are"
    longest = max(end.grace for end in ends)
    say(f"{shown} {be} asked to shut down; waiting up to {longest} s")
