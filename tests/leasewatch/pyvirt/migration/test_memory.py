"""The source's QEMU, played by this test: when the guest is handed over, and when it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from leasewatch.pyvirt.domains.monitor import Report
from leasewatch.pyvirt.domains.qmp_session import QmpSession
from leasewatch.pyvirt.migration import memory
from leasewatch.pyvirt.migration.memory import Memory
from leasewatch.pyvirt.migration.modes import Modes, Switch
from nss_pyvirt.errors import UserError


class Qemu:
    """Reports these states of a migration, one after the other; it cancels at once."""

    def __init__(self, *states: str) -> None:
        self.coming = [*states]
        self.state = "none"
        self.asked: list[str] = []
        self.parameters: dict[str, Any] = {}
        self.is_handed_over = False

    def ask(self, command: str, arguments: Mapping[str, Any] = {}, **_: object) -> Any:
        self.asked.append(command)
        if command == "migrate_cancel":
            self.state = "cancelled"
        if command == "migrate-set-parameters":
            self.parameters |= arguments
        if command == "cont":
            assert not self.is_handed_over
        return {"status": self.state, "running": "cont" in self.asked}

    def next_event(self, _: float) -> Report | None:
        if not self.coming:
            return None
        self.state = self.coming.pop(0)
        if self.state == "Ctrl-C":
            self.state = "active"
            raise KeyboardInterrupt
        if self.state == "pass":
            return Report(event="MIGRATION_PASS", data={"pass": 2})
        return Report(event="MIGRATION", data={"status": self.state})

    def hand_over(self, *, really: bool = True) -> None:
        self.asked.append("hand over" if really else "take back")
        self.is_handed_over = really


def moved(qemu: Qemu, switch: Switch = "", timeout: float | None = None) -> Memory:
    made = Memory(
        cast("QmpSession", qemu), Modes((), {}, {}, switch, timeout), lambda _: None, qemu.hand_over
    )
    made.move("unix:/migration/main", lambda: qemu.asked.append("finish disks"))
    return made


def test_a_guest_is_handed_over_once_all_is_sent_and_its_disks_before() -> None:
    qemu = Qemu("setup", "active", "pre-switchover", "device", "completed")
    assert not moved(qemu).went_first
    assert qemu.asked == ["migrate", "finish disks", "migrate-continue", "hand over"]


@pytest.mark.parametrize(
    ("states", "switch"),
    [
        (("setup", "active", "postcopy-active"), "at-once"),
        (("setup", "active", "pass", "postcopy-active"), "after-precopy"),
    ],
)
def test_a_guest_is_handed_over_before_post_copy_begins(
    states: tuple[str, ...], switch: Switch
) -> None:
    qemu = Qemu(*states)
    assert moved(qemu, switch).went_first
    assert qemu.asked == ["migrate", "hand over", "migrate-start-postcopy"]


def test_a_late_guest_is_stopped_by_qemu_so_that_it_goes_on_if_the_command_is_killed() -> None:
    qemu = Qemu("setup", "active", "completed")
    moved(qemu, timeout=0)
    assert qemu.parameters["downtime-limit"] > 10_000
    assert "stop" not in qemu.asked


@pytest.mark.parametrize("states", [("active", "failed"), ("active", "pre-switchover", "failed")])
def test_a_guest_that_was_not_moved_goes_on_here(states: tuple[str, ...]) -> None:
    qemu = Qemu(*states)
    with pytest.raises(UserError, match="the guest was not moved"):
        moved(qemu)
    assert not qemu.is_handed_over
    assert "cont" in qemu.asked


def test_ctrl_c_cancels_and_the_guest_goes_on_here() -> None:
    qemu = Qemu("active", "Ctrl-C")
    with pytest.raises(KeyboardInterrupt):
        moved(qemu)
    assert qemu.asked[1:3] == ["query-migrate", "migrate_cancel"]
    assert "cont" in qemu.asked


def test_a_guest_that_runs_there_already_is_not_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_ENDS", 0)
    qemu = Qemu("active", "postcopy-active", "completed")
    made = moved(qemu, "at-once")
    made.take_back()
    assert qemu.is_handed_over
    assert "cont" not in qemu.asked
