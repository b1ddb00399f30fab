"""On the source: QEMU sends the guest's memory and devices. It knows no host and no files."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from leasewatch.pyvirt.domains.monitor import Report
from leasewatch.pyvirt.domains.qmp_session import QmpSession, RefusedError
from leasewatch.pyvirt.migration.modes import Modes
from nss_pyvirt.errors import UserError

_LOOK: Final = 0.2  # seconds between two looks at how far it is
_ENDS: Final = 20.0  # seconds for QEMU to cancel
_PAUSE: Final = 300  # milliseconds: QEMU's own limit
_LONGEST_PAUSE: Final = 2_000_000  # milliseconds: the most that QEMU takes
_FAILED: Final = ("failed", "cancelled", "none")
"""States of `query-migrate` after which the guest goes on here."""
_ENDED: Final = (*_FAILED, "completed")


class NotMovedError(UserError):
    """QEMU has failed to send the guest, which goes on here."""


class HandOver(Protocol):
    """Writes down whether only the destination may let the guest run."""

    def __call__(self, *, really: bool = True) -> None:
        """It is so now; or no longer."""


class Memory:
    """One migration over `session`. `progress` gets the answers to `query-migrate`."""

    def __init__(
        self,
        session: QmpSession,
        modes: Modes,
        progress: Callable[[Mapping[str, Any]], None],
        hand_over: HandOver,
    ) -> None:
        self._session, self._modes, self._progress = session, modes, progress
        self._hand_over = hand_over
        self._begun = time.monotonic()
        self._stopped = 0.0
        self._switched = False
        self.went_first = False
        """Post-copy: the guest went before its memory. There is no way back then."""

    def move(self, uri: str, finish_disks: Callable[[], None] | None) -> float:
        """Send the guest until it is handed over; returns when it stopped, Unix seconds.

        `finish_disks` is called while the guest stands still. UserError if that fails: then the
        guest goes on here. KeyboardInterrupt cancels in order.
        """
        try:
            self._session.ask("migrate", {"uri": uri})
            self._follow(finish_disks)
        except BaseException:
            self.take_back()
            raise
        return self._stopped or time.time()

    def complete(self, *, after_pause: bool = False) -> None:
        """After post-copy has begun: wait until all of the memory is there.

        `after_pause`: it has just been told to go on.
        """
        goes_on_by = time.monotonic() + _ENDS if after_pause else 0.0
        while (state := self._look()) != "completed":
            if state == "postcopy-active":
                goes_on_by = 0.0
            if state in {"postcopy-paused", "failed"} and time.monotonic() > goes_on_by:
                what = "the link was lost while the guest's memory was still here"
                raise UserError(what, "mend it, then repeat the command with --resume")
            self._wait()

    def _follow(self, finish_disks: Callable[[], None] | None) -> None:
        state = ""
        while True:
            event = self._wait()
            state = str(event.data["status"]) if event is not None else self._look()
            if state == "pre-switchover" and finish_disks is not None:
                finish_disks()
                finish_disks = None
                self._session.ask("migrate-continue", {"state": "pre-switchover"})
            elif state == "postcopy-active":
                self.went_first = True
                return
            elif state == "completed":
                self._hand_over()
                self._catch_up()
                return
            elif state in _FAILED:
                raise self._failure()
            elif not self._switched:
                self._switch(state)

    def _wait(self) -> Report | None:
        """The next change of the migration's state; None: it is time for a look."""
        deadline = time.monotonic() + _LOOK
        while (event := self._session.next_event(deadline)) is not None:
            if event.event == "STOP" and event.timestamp:
                stamp = event.timestamp
                self._stopped = stamp["seconds"] + stamp["microseconds"] / 1e6
            if event.event == "MIGRATION":
                self._note(event)
                return event
            if event.event == "MIGRATION_PASS" and event.data.get("pass", 0) > 1:
                self._passed()
        return None

    def _note(self, event: Report) -> None:
        if event.event == "MIGRATION" and event.data["status"] == "postcopy-active":
            self.went_first = True

    def _catch_up(self) -> None:
        """Note the events that an answer to `query-migrate` was ahead of."""
        while (event := self._session.next_event(time.monotonic())) is not None:
            self._note(event)

    def _look(self) -> str:
        answer = self._session.ask("query-migrate")
        self._progress(answer)
        return str(answer.get("status", "none"))

    def _passed(self) -> None:
        """All of the memory was sent once."""
        if self._modes.switch == "after-precopy" and not self._switched:
            self._start_postcopy()

    def _switch(self, state: str) -> None:
        """Act when it is time: begin post-copy, or let the guest stand still."""
        late = self._modes.timeout is not None and (
            time.monotonic() - self._begun > self._modes.timeout
        )
        at_once = self._modes.switch == "at-once" and state == "active"
        if at_once or (late and self._modes.switch):
            self._start_postcopy()
        elif late:
            self._switched = True
            # QEMU stops the guest and sends the rest. After `stop` it would stay paused if the
            # command was killed.
            self._limit_downtime(_LONGEST_PAUSE)

    def _start_postcopy(self) -> None:
        """The guest goes on there, and its memory follows. There is no way back from that."""
        self._switched = True
        self._hand_over()
        try:
            self._session.ask("migrate-start-postcopy")
        except RefusedError:  # it has just completed
            return

    def _limit_downtime(self, milliseconds: int) -> None:
        self._session.ask("migrate-set-parameters", {"downtime-limit": milliseconds})

    def _failure(self) -> UserError:
        answer = self._session.ask("query-migrate")
        why = answer.get("error-desc", "")
        what = f"the guest was not moved{why and f': {why}'}"
        return NotMovedError(what, "it goes on here; try again")

    def take_back(self) -> None:
        """Cancel, and have the guest go on here, unless post-copy has begun.

        The destination must not have been asked to let it run, or must have refused.
        """
        state = self._state()
        self._catch_up()
        if self.went_first or state.startswith("postcopy"):
            return
        if state not in _ENDED:
            self._session.ask("migrate_cancel")
        deadline = time.monotonic() + _ENDS
        while self._state() not in _ENDED and time.monotonic() < deadline:
            time.sleep(0.02)
        self._hand_over(really=False)
        self._limit_downtime(_PAUSE)
        while not self._session.ask("query-status")["running"] and time.monotonic() < deadline:
            with contextlib.suppress(RefusedError):  # it is about to go on by itself
                self._session.ask("cont")
            time.sleep(0.02)

    def _state(self) -> str:
        return str(self._session.ask("query-migrate").get("status", "none"))
