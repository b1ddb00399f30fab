"""End domains, several at once: by the power button, or by force.

It imports little: where the parents clean up after themselves, nothing else is needed.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal takes 5 ms
import os
import select
import time

from leasewatch.files import holders
from leasewatch.paths import Paths
from leasewatch.pyvirt.domains.listing import Listing
from nss_pyvirt import pidfds
from nss_pyvirt.errors import UserError

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Final

    Ended = tuple[str, UserError | None]
    """A domain's name, and why it has not ended; None: it has."""

_GRACE: Final = 60  # seconds to shut down where the definition cannot be read
_AGAIN: Final = 5.0  # seconds until the button is pressed once more: a booting guest misses it
_QUIT: Final = 15.0  # seconds for `domain run` to end QEMU and clean up
_PATIENCE: Final = 60.0  # seconds that another command on the same domain may take
_ANSWER: Final = 5.0  # seconds for QEMU to answer


class DomainStops:
    """All domains below one root."""

    def __init__(self, paths: Paths) -> None:
        self._paths, self._listing = paths, Listing(paths)

    def stop(
        self,
        names: Iterable[str],
        say: Callable[[str], None],
        *,
        timeout: int | None = None,
        force: bool = False,
    ) -> Iterator[Ended]:
        """End guests, all at once; yields each as soon as it has ended or cannot be.

        Each gets `timeout` seconds to shut down; None: what its definition says. With `force` it is
        ended then. No error where it does not run.
        """
        ends: dict[int, _End] = {}
        try:
            for name in dict.fromkeys(names):
                try:
                    end = self._begin(name, timeout, force=force)
                except UserError as error:
                    yield name, error
                    continue
                if end is None:
                    yield self._ended(name)
                else:
                    ends[end.pidfd] = end
            _announce([end for end in ends.values() if end.grace], say)
            yield from self._wait(ends)
        finally:
            for pidfd in ends:
                os.close(pidfd)

    def _begin(self, name: str, timeout: int | None, *, force: bool) -> _End | None:
        """Take the first step; None: it does not run."""
        if name not in self._listing.names():
            self._listing.known().require(name)
        run = f"{self._paths.text('domain_runs')}/{name}"
        pidfd = holders.pidfd(f"{run}/lock")
        if pidfd is None:
            return None
        try:
            grace = self._grace(name) if timeout is None else timeout
            return _End(name, run, pidfd, grace, self._listing.state(name) or {}, force=force)
        except BaseException:
            os.close(pidfd)
            raise

    def _grace(self, name: str) -> int:
        try:
            return int(self._listing.describe(name)["stop_timeout"])
        except UserError:  # broken, or removed under a running domain
            return _GRACE

    def _wait(self, ends: dict[int, _End]) -> Iterator[Ended]:
        poll = select.poll()
        for pidfd in ends:
            poll.register(pidfd, select.POLLIN)
        while ends:
            left = min(end.due for end in ends.values()) - time.monotonic()
            over: dict[int, UserError | None]
            over = {pidfd: None for pidfd, _ in poll.poll(max(0.0, left) * 1000)}
            for pidfd in ends.keys() - over.keys():
                try:
                    ends[pidfd].act()
                except UserError as error:
                    over[pidfd] = error
            for pidfd, fault in over.items():
                poll.unregister(pidfd)
                name = ends.pop(pidfd).name
                os.close(pidfd)
                yield (name, fault) if fault else self._ended(name)

    def _ended(self, name: str) -> Ended:
        """Clean up after a parent that has not done so itself."""
        try:
            if self._listing.state(name) is not None:
                self._listing.known().clear_up(name, _PATIENCE)
        except UserError as error:
            return name, error
        return name, None


class _End:
    """One guest that is to end. UserError if it cannot shut down and no `force` is used.

    `run`: the domain's folder of sockets. `state`: its run state.
    """

    def __init__(
        self,
        name: str,
        run: str,
        pidfd: int,
        grace: int,
        state: dict[str, object],
        *,
        force: bool,
    ) -> None:
        self.name, self.pidfd = name, pidfd
        self.grace = grace
        """Seconds that it gets to shut down."""
        self._run, self._force = run, force
        self._is_paused = False
        self._look(state)
        self._steps = self._steps_to_take()
        self.due = 0.0
        """When the next step is to be taken, if it has not ended by then."""
        self.act()

    def act(self) -> None:
        """Take the next step if it is due; UserError if there is none."""
        now = time.monotonic()
        if now >= self.due:
            self.due = now + next(self._steps)

    def _look(self, state: dict[str, object]) -> None:
        """A guest that cannot react to the power button is not waited for."""
        if state.get("state") == "arriving" and not self._force:
            from leasewatch.pyvirt.files import not_arrived  # noqa: PLC0415  start-up time

            raise not_arrived(self.name, str(state["why"]))
        if state.get("state") not in {"paused", "panicked"}:
            return
        from leasewatch.pyvirt.domains.status import ON_REQUEST  # noqa: PLC0415  start-up time

        self._is_paused = state["why"] == ON_REQUEST
        if self._is_paused:
            return
        if state["state"] == "paused" and not self._force:
            hint = f"resume it first, or: sudo pyvirt domain stop --force {self.name}"
            raise UserError(f"{self.name} is paused: {state['why']}", hint, "running")
        self.grace, self._force = 0, True

    def _steps_to_take(self) -> Iterator[float]:
        """Each yields for how many seconds to wait for its end."""
        if self.grace or not self._force:
            deadline = time.monotonic() + self.grace
            while True:
                self._press()
                yield max(0.0, min(_AGAIN, deadline - time.monotonic()))
                if time.monotonic() >= deadline:
                    break
        if not self._force:
            what = f"{self.name} has not shut down within {self.grace} s"
            raise UserError(what, f"sudo pyvirt domain stop --force {self.name}", "timeout")
        for number, patience in ((_signal.SIGQUIT, _QUIT), (_signal.SIGKILL, pidfds.KILL_GRACE)):
            pidfds.send(self.pidfd, number)
            yield patience
        raise UserError(f"the process of {self.name} does not end, even when killed")

    def _press(self) -> None:
        """Press the power button; UserError if QEMU does not answer, and is not just ending."""
        from pathlib import Path  # noqa: PLC0415  start-up time

        from leasewatch.pyvirt.domains import qmp_session  # noqa: PLC0415  start-up time

        socket = Path(self._run, "qmp")
        try:
            if self._is_paused:
                qmp_session.ask(socket, "cont", timeout=_ANSWER)
                self._is_paused = False
            qmp_session.ask(socket, "system_powerdown", timeout=_ANSWER)
        except UserError:
            if not self._force and not pidfds.wait(self.pidfd, 1):
                raise


def _announce(ends: list[_End], say: Callable[[str], None]) -> None:
    """Say who is waited for, and for how long."""
    if not ends:
        return
    names = [end.name for end in ends]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    be = "is" if len(names) == 1 else "are"
    longest = max(end.grace for end in ends)
    say(f"{shown} {be} asked to shut down; waiting up to {longest} s")
