"""The parent of a QEMU that this test plays: what it asks for, reports and does to it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.domains import moving, supervisor
from leasewatch.pyvirt.domains.monitor import Monitor
from leasewatch.pyvirt.domains.status import FULL, ON_REQUEST, Status
from leasewatch.pyvirt.domains.supervisor import Button, Supervisor
from leasewatch.pyvirt.files import DomainFiles
from nss_pyvirt.errors import UserError
from tests.waiting import wait_for

FULL_DISK = {"action": "stop", "nospace": True, "reason": "No space left on device"}


class Guest:
    """A QEMU that ends on request."""

    def __init__(self) -> None:
        self.has_ended = False
        self.pipe = self._ending, self._end = os.pipe()

    def wait(self, deadline: float | None, *others: int) -> set[int]:
        poll = select.poll()
        for fd in (self._ending, *others):
            poll.register(fd, select.POLLIN)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        ready = {fd for fd, _ in poll.poll(left)}
        self.has_ended = self.has_ended or self._ending in ready
        return ready.intersection(others)

    def end(self) -> None:
        os.write(self._end, b"x")


class Stage:
    """A supervisor in a thread, and what it says to QEMU."""

    def __init__(self, disks: Path, grace: float, arriving: str = "") -> None:
        self.guest = Guest()
        self.qemu, ours = socket.socketpair()
        self.qemu.settimeout(30)
        self._lines = self.qemu.makefile("rb")
        self._monitor = Monitor(ours)
        self._pipe = reading, self._signals = os.pipe()
        self.reports: list[Status] = []
        self.files = DomainFiles(Paths(disks), "web1")
        self.files.data.mkdir(parents=True)
        self.files.run.mkdir(parents=True)
        self.supervisor = Supervisor(
            self.guest,
            self._monitor,
            reading,
            self.files,
            grace,
            self.reports.append,
            lambda: 1,
            arriving,
        )
        self.failure: list[UserError] = []
        self._thread = Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        try:
            self.supervisor.follow()
        except UserError as error:
            self.failure.append(error)

    def asked(self, command: str) -> None:
        """Wait until this is asked for; it is answered, but not `query-status`."""
        while True:
            asked = json.loads(self._lines.readline())
            if asked["execute"] == command:
                return
            assert asked["execute"] in {
                *("qmp_capabilities", "set-action", "cont", "query-status", "query-migrate"),
                "human-monitor-command",
            }

    def say(self, **message: Any) -> None:
        self.qemu.sendall(json.dumps(message).encode() + b"\n")

    def event(self, name: str, state: str, **data: Any) -> None:
        """An event, and the state that QEMU answers when it is asked for."""
        self.say(event=name, data=data, timestamp={"seconds": 1, "microseconds": 0})
        self.state(state)

    def state(self, state: str) -> None:
        self.say(**{"id": "query-status", "return": {"status": state, "running": True}})

    def signal(self, number: signal.Signals) -> None:
        os.write(self._signals, bytes([number]))

    def joined(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()

    def close(self) -> None:
        self.guest.end()
        self.joined()
        self._monitor.close()
        self._lines.close()
        self.qemu.close()
        for fd in (*self._pipe, *self.guest.pipe):
            os.close(fd)


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Make a stage; `ready`: its QEMU has answered."""
    with contextlib.ExitStack() as ends:

        def start(grace: float = 30, *, ready: bool = True, arriving: str = "") -> Stage:
            stage = Stage(tmp_path, grace, arriving)
            ends.callback(stage.close)
            stage.say(QMP={"version": {}})
            if ready:
                stage.asked("query-status")
                stage.state("running")
            return stage

        yield start


def test_each_change_of_state_is_reported_once(play: Callable[..., Stage]) -> None:
    stage = play()
    stage.event("STOP", "paused")
    stage.event("RTC_CHANGE", "paused", offset=1)
    stage.event("RESUME", "running")
    stage.event("GUEST_PANICKED", "guest-panicked", action="pause")
    expected = [("paused", ON_REQUEST), ("running", ""), ("panicked", "its kernel has panicked")]
    wait_for("three reports", lambda: stage.reports == expected)


def test_a_guest_that_arrives_is_left_alone_until_somebody_lets_it_run(
    play: Callable[..., Stage],
) -> None:
    stage = play(ready=False, arriving="it comes from kvm1")
    for command in ("qmp_capabilities", "set-action", "query-status"):
        assert json.loads(stage._lines.readline())["execute"] == command
    stage.state("inmigrate")
    stage.event("STOP", "paused")
    stage.event("RESUME", "running")
    wait_for("the report", lambda: stage.reports == [("running", "")])


def test_a_qemu_for_which_no_host_sends_a_guest_ends_in_time(
    play: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "_LOOK", 0.01)
    monkeypatch.setattr(moving, "_PATIENCE", 0.1)
    stage = play(arriving="it comes from kvm1")
    stage.asked("query-migrate")
    stage.say(**{"id": "query-migrate", "return": {"status": "completed"}})  # it can be resumed
    stage.asked("query-migrate")
    stage.say(**{"id": "query-migrate", "return": {}})
    stage.joined()
    assert stage.supervisor.end == "no host has sent its guest"


@pytest.mark.parametrize(
    ("state", "command"), [("postmigrate", "cont"), ("finish-migrate", "migrate_cancel")]
)
def test_a_guest_without_a_driver_goes_on_here_unless_it_was_handed_over(
    play: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, state: str, command: str
) -> None:
    monkeypatch.setattr(moving, "_LOOK", 0.01)
    stage = play()
    stage.files.handed_over.write_text("kvm2")
    stage.event("STOP", state)
    wait_for("the report", lambda: bool(stage.reports))
    stage.qemu.settimeout(0.2)
    with pytest.raises(TimeoutError):
        stage.asked(command)
    stage.qemu.settimeout(30)
    stage._lines.close()
    stage._lines = stage.qemu.makefile("rb")  # a timeout spoils the former
    stage.files.handed_over.unlink()
    stage.asked(command)


def test_a_guest_that_has_not_arrived_presses_no_button(play: Callable[..., Stage]) -> None:
    stage = play(arriving="it comes from kvm1")
    stage.signal(signal.SIGTERM)
    stage.joined()
    assert stage.supervisor.end == "it was told to end before it ran"


def test_a_full_disk_is_retried_as_soon_as_there_is_room(
    play: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [0]
    monkeypatch.setattr(supervisor, "_LOOK", 0.01)
    monkeypatch.setattr("os.statvfs", lambda _: os.statvfs_result([1] * 4 + room * 6))
    stage = play()
    stage.event("BLOCK_IO_ERROR", "io-error", **FULL_DISK)
    wait_for("the report", lambda: stage.reports == [("paused", FULL)])
    stage.qemu.settimeout(0.2)
    with pytest.raises(TimeoutError):
        stage.asked("cont")
    stage.qemu.settimeout(30)
    room[0] = 1 << 30
    stage._lines.close()
    stage._lines = stage.qemu.makefile("rb")  # a timeout spoils the former
    stage.asked("cont")


def test_a_guest_whose_disk_is_full_and_that_is_paused_then_waits_for_resume(
    play: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_LOOK", 0.01)
    monkeypatch.setattr(supervisor, "_ROOM", 1 << 60)
    stage = play()
    stage.signal(signal.SIGUSR1)  # a guest that runs is none of its business
    stage.event("BLOCK_IO_ERROR", "io-error", **FULL_DISK)
    stage.signal(signal.SIGUSR1)
    paused = [("paused", FULL), ("paused", ON_REQUEST)]
    wait_for("both reports", lambda: stage.reports == paused)
    monkeypatch.setattr(supervisor, "_ROOM", 0)
    stage.event("RTC_CHANGE", "io-error", offset=1)
    stage.event("RESUME", "io-error")  # of `resume`: the disk is full again
    wait_for("the next report", lambda: stage.reports == [*paused, ("paused", FULL)])
    stage.asked("cont")
    stage.asked("cont")  # the first one was at its start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_ends_the_parent_presses_the_power_button(
    play: Callable[..., Stage], number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "AGAIN", 0.05)
    stage = play()
    stage.signal(number)
    stage.asked("system_powerdown")
    stage.asked("system_powerdown")  # a booting guest does not hear the first one
    stage.say(event="SHUTDOWN", data={"guest": True, "reason": "guest-shutdown"})
    stage.guest.end()
    stage.joined()
    assert stage.supervisor.end == "the guest shut down"


def test_sighup_renews_the_time_that_a_guest_gets(play: Callable[..., Stage]) -> None:
    stage = play(3600)
    stage.signal(signal.SIGHUP)
    stage.signal(signal.SIGTERM)
    stage.joined()
    assert stage.supervisor.end == "it had not shut down within 1 s and was forced off"


def test_a_guest_that_ignores_the_button_is_ended_in_time(play: Callable[..., Stage]) -> None:
    stage = play(grace=0.2)
    stage.signal(signal.SIGTERM)
    stage.joined()
    assert stage.supervisor.cut == "it had not shut down within 0.2 s and was forced off"


@pytest.mark.parametrize(
    "numbers", [[signal.SIGQUIT], [signal.SIGINT, signal.SIGINT], [signal.SIGTERM, signal.SIGQUIT]]
)
def test_a_guest_can_be_ended_at_once(
    play: Callable[..., Stage], numbers: list[signal.Signals]
) -> None:
    stage = play()
    for number in numbers:
        stage.signal(number)
    stage.joined()
    assert stage.supervisor.cut == "it was forced off"


def test_a_guest_that_has_not_run_is_ended_at_once(play: Callable[..., Stage]) -> None:
    stage = play(ready=False)
    stage.signal(signal.SIGTERM)
    stage.joined()
    assert stage.supervisor.cut


@pytest.mark.parametrize(
    ("state", "why"),
    [("guest-panicked", "its kernel has panicked"), ("internal-error", "could not shut down")],
)
def test_a_guest_that_cannot_react_is_not_waited_for(
    play: Callable[..., Stage], state: str, why: str
) -> None:
    stage = play()
    stage.event("STOP", state)
    wait_for("the report", lambda: stage.reports)
    stage.signal(signal.SIGTERM)
    stage.joined()
    assert why in stage.supervisor.cut


def test_a_guest_in_which_no_system_runs_is_not_waited_for(play: Callable[..., Stage]) -> None:
    stage = play()
    for cr0 in ("80050033", "00000011"):
        assert not stage.supervisor.cut
        stage.event("POWERDOWN", "running")
        stage.asked("human-monitor-command")
        stage.say(**{"id": "human-monitor-command", "return": f"EAX=0\r\nCR0={cr0} CR2=0\r\n"})
    stage.joined()
    assert stage.supervisor.end == "no system ran in it"


def test_a_guest_whose_power_button_is_a_key_gets_that_pressed(play: Callable[..., Stage]) -> None:
    stage = play()
    stage.supervisor.button = Button(is_pc=False, is_key=True)
    stage.event("POWERDOWN", "running")  # whoever has pressed it
    stage.asked("send-key")


def test_a_paused_guest_goes_on_to_shut_down(play: Callable[..., Stage]) -> None:
    stage = play()
    stage.event("STOP", "paused")
    wait_for("the report", lambda: stage.reports)
    stage.signal(signal.SIGTERM)
    stage.asked("cont")
    stage.asked("system_powerdown")


@pytest.mark.parametrize("answer", [b"", b"nonsense\n", b'{"event": 5}\n', b"[" * 100_000 + b"\n"])
def test_a_qemu_that_does_not_speak_qmp_is_an_error(
    play: Callable[..., Stage], answer: bytes
) -> None:
    stage = play(ready=False)
    stage.qemu.sendall(answer)
    stage.qemu.shutdown(socket.SHUT_WR)
    stage.joined()
    assert [error.code for error in stage.failure] == ["timeout"]
