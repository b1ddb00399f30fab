"""Follow one QEMU from its first answer to its end: its state, signals, a full disk.

The parent of a domain does nothing else meanwhile. It acts only through QEMU's monitor: it presses
the power button when it gets SIGTERM, and lets a guest go on once its disks have room again.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from leasewatch.daemon import notify
from leasewatch.pyvirt.domains.listing import SAVED
from leasewatch.pyvirt.domains.monitor import Monitor, Report
from leasewatch.pyvirt.domains.moving import REST, Moving
from leasewatch.pyvirt.domains.qemu_process import MIGRATION
from leasewatch.pyvirt.domains.saver import Saver
from leasewatch.pyvirt.domains.status import (
    FULL,
    ON_REQUEST,
    SAVING,
    Reported,
    Status,
    runs_no_system,
)
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.networks.backoff import Backoff
from nss_pyvirt.errors import UserError

ANSWER = 20.0  # seconds for QEMU to answer QMP; 0.1 on a quiet machine
AGAIN = 5.0  # seconds until the power button is pressed once more: a booting guest misses it
_LOOK = 1.0  # seconds between looks whether a full disk has room again
_RETRY = 0.1  # seconds until the next `cont` after a save that was cancelled
_ROOM = 16 << 20
"""Bytes that the file system of the disks must have free for a guest to go on."""
_HMP = "human-monitor-command"
_MARGIN = 15
"""Seconds, beyond those that the guest gets, which systemd allows for the rest."""


class Running(Protocol):
    """The QEMU, as `guest` has it."""

    has_ended: bool

    def wait(self, deadline: float | None, *others: int) -> set[int]:
        """Wait until QEMU has ended or one of `others` is readable; returns those that are."""


class Button(NamedTuple):
    """How a guest's power button is pressed, beside `system_powerdown`."""

    is_pc: bool = True
    """Whether the processor's state tells that no system runs, which no button reaches."""
    is_key: bool = False
    """Whether it is a key of the keyboard."""


class Supervisor:
    """`follow` returns when QEMU has ended or is to be ended at once.

    `signals`: a descriptor with the signals that came.
    `grace`: seconds that the guest gets to shut down. `report` gets each new status.
    `renew` reads the definition again, on SIGHUP, and returns its grace. `arriving`: why QEMU waits
    for its guest, which somebody else lets run; empty: it starts here.
    """

    def __init__(
        self,
        guest: Running,
        monitor: Monitor,
        signals: int,
        files: DomainFiles,
        grace: float,
        report: Callable[[Status], None],
        renew: Callable[[], int],
        arriving: str = "",
    ) -> None:
        self._saver = Saver(files)
        self._is_given_up = False
        """Whether the command that saved the guest was killed, and it has not gone on yet."""
        self._guest, self._monitor, self._signals = guest, monitor, signals
        self._disks, self._grace, self._report, self._renew = files.data, grace, report, renew
        self.button = Button()
        self._moving = Moving(files)
        self._reported = Reported(arriving)
        self._said = self._reported.status
        self.is_ready = False
        """Whether QEMU has answered."""
        self._patience = ANSWER
        self._answers_by = time.monotonic() + ANSWER
        self._ends_by: float | None = None
        """When it is ended that has been asked to shut down."""
        self._press_at = 0.0
        self._look_at = 0.0
        self._retries = Backoff()
        self.cut = ""
        """Why QEMU is to be ended at once."""

    @property
    def end(self) -> str:
        """Why it has ended; empty: QEMU has not said."""
        return self.cut or self._reported.end

    def wait_longer(self, seconds: float) -> None:
        """Give QEMU so much more time to answer for the first time."""
        self._patience += seconds
        self._answers_by += seconds

    def follow(self) -> None:
        """Let the guest run; READY=1 once it does. UserError if QEMU does not answer."""
        urgent = {"enable": ["oob"]} if self._reported.is_arriving else {}
        self._monitor.ask("qmp_capabilities", **urgent)
        self._monitor.ask("set-action", panic="pause")  # else a panic ends the guest unseen
        if not self._reported.is_arriving:
            self._monitor.ask("cont")  # QEMU was started with -S
        self._monitor.ask("query-status")
        while not self._guest.has_ended and not self.cut:
            heard = [self._monitor.fileno()] if self._monitor.is_open else []
            ready = self._guest.wait(self._due(), *heard, self._signals, *self._saver.fds)
            if not ready.isdisjoint(heard):
                for report in self._monitor.read():
                    self._hear(report)
            if self._signals in ready:
                for number in os.read(self._signals, 64):
                    self._obey(number)
            if not ready.isdisjoint(self._saver.fds):
                self._lose_saver()
            if not self._guest.has_ended:
                self._act(time.monotonic())

    def _due(self) -> float | None:
        """When there is something to do, monotonic seconds."""
        if not self.is_ready:
            return self._answers_by
        if self._ends_by is not None:
            return min(self._ends_by, self._press_at)
        if self._moving.concerns(self._reported.status):
            return self._moving.look_at
        return self._look_at if self._is_full() or self._is_given_up else None

    def _is_full(self) -> bool:
        return self._reported.status == ("paused", FULL)

    def _hear(self, report: Report) -> None:
        if report.event:
            if self._reported.event(report.event, report.data):
                self._monitor.ask("query-status")
            if report.event == "RESUME":
                self._is_given_up = False
                self._moving.goes_on()
            if report.event == "POWERDOWN" and self.button.is_pc:
                self._monitor.ask(_HMP, **{"command-line": "info registers"})
            if report.event == "POWERDOWN" and self.button.is_key:  # `stop` has pressed it
                self._monitor.ask("send-key", keys=[{"type": "qcode", "data": "power"}])
        elif report.command == _HMP and runs_no_system(str(report.value)):
            self.cut = "no system ran in it"
        elif report.command == "query-migrate" and self._moving.is_lost(report.value):
            self.cut = "no host has sent its guest" if self._reported.is_arriving else ""
        elif report.command == "query-status" and isinstance(report.value, dict):
            self._reported.answer(str(report.value.get("status")))
            self._look_for_saver()
            self._note(self._reported.status)
            if not self.is_ready:
                self.is_ready = True
                notify.notify("READY=1")

    def _note(self, status: Status) -> None:
        if status != self._said:
            self._said = status
            self._report(status)
            self._look_at = time.monotonic() + _LOOK

    def _look_for_saver(self) -> None:
        """Whoever has paused the guest may be saving it."""
        if self._reported.status.state != "paused":
            self._saver.forget()
        elif self._reported.status.why == ON_REQUEST and self._saver.look():
            self._reported.note_saver()
            if self._saver.is_lost():
                self._lose_saver()

    def _lose_saver(self) -> None:
        """The command that saved the guest has been killed: end the guest, or let it go on."""
        self._saver.forget()
        if self._saver.has_saved():
            self.cut = SAVED
            return
        self._saver.clear()
        self._is_given_up = True
        self._look_at = time.monotonic()

    def _obey(self, number: int) -> None:
        """SIGQUIT and a second Ctrl-C end QEMU at once, SIGTERM and Ctrl-C press its button.

        After SIGUSR1 a guest whose disk is full no longer goes on by itself. SIGUSR2 has
        QEMU listen for the memory that a lost link has left, even while QEMU waits for that.
        """
        again = self._ends_by is not None
        if number == signal.SIGHUP:
            self._grace = self._renew()
        elif number == signal.SIGUSR1:
            self._note(self._reported.hold())
        elif number == signal.SIGUSR2:
            uri = {"uri": f"unix:/{MIGRATION}/{REST}"}
            self._monitor.send("migrate-recover", uri, "migrate-recover", execute="exec-oob")
        elif number == signal.SIGQUIT or (number == signal.SIGINT and again):
            self.cut = "it was forced off"
        elif not self.is_ready or self._reported.is_arriving:
            self.cut = "it was told to end before it ran"
        elif not again:
            patience = round((self._grace + _MARGIN) * 1e6)
            notify.notify("STOPPING=1", f"EXTEND_TIMEOUT_USEC={patience}")
            self._press_at = time.monotonic()
            self._ends_by = self._press_at + self._grace

    def _act(self, now: float) -> None:
        if not self.is_ready:
            if now >= self._answers_by or not self._monitor.is_open:
                self._fail()
            return
        if self._is_given_up and now >= self._look_at:
            self._look_at = now + _RETRY
            self._monitor.ask("migrate_cancel")
            self._monitor.ask("cont")  # refused until that is done
        if self._ends_by is not None:
            self._shut_down(now, self._ends_by)
        elif self._moving.concerns(self._reported.status):
            if command := self._moving.next_command(self._reported.status, now):
                self._monitor.ask(command)
        elif self._is_full() and now >= self._look_at:
            self._look_at = now + _LOOK
            if now >= self._retries.due and self._go_on():
                self._retries.attempt(now)

    def _fail(self) -> None:
        """A QEMU that ends prints the reason, a moment after it has closed its monitor."""
        self._guest.wait(time.monotonic() + 1)
        if not self._guest.has_ended:
            raise UserError(f"QEMU has not answered within {self._patience:g} s", code="timeout")

    def _go_on(self) -> bool:
        """Let a guest whose disk was full go on if there is room; False: there is none."""
        there = os.statvfs(self._disks)
        if there.f_bavail * there.f_frsize < _ROOM:
            return False
        self._monitor.ask("cont")
        return True

    def _shut_down(self, now: float, ends_by: float) -> None:
        """Press the power button from time to time; a guest that cannot react is ended."""
        state, why = self._reported.status
        if now >= ends_by:
            self.cut = f"it had not shut down within {self._grace:g} s and was forced off"
        elif state == "panicked":
            self.cut = why
        elif now >= self._press_at:
            self._press_at = now + AGAIN
            if why == SAVING:  # it ends then
                return
            if why == ON_REQUEST and state == "paused":
                self._monitor.ask("cont")
            elif state == "paused" and not (self._is_full() and self._go_on()):
                self.cut = f"it was paused ({why}) and could not shut down"
            self._monitor.ask("system_powerdown")
