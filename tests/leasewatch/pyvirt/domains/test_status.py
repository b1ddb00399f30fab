"""A domain's state from what QEMU says, as its events come one after the other."""

from __future__ import annotations

from typing import Any

import pytest

from leasewatch.pyvirt.domains.status import FULL, ON_REQUEST, Reported, Status, runs_no_system

FULL_DISK = {"action": "stop", "operation": "write", "nospace": True, "reason": "No space left"}
BROKEN_DISK = {"action": "stop", "nospace": False, "reason": "Input/output error"}
PRESSED = "its power button was pressed"

Step = tuple[str, dict[str, Any]] | str
"""An event with its data, or the answer to query-status."""
STORIES: dict[str, tuple[list[Step], Status]] = {
    "runs": (["running"], Status("running")),
    "paused by a command": ([("STOP", {}), "paused"], Status("paused", ON_REQUEST)),
    "goes on": ([("STOP", {}), "paused", ("RESUME", {}), "running"], Status("running")),
    "full disk": ([("BLOCK_IO_ERROR", FULL_DISK), "io-error"], Status("paused", FULL)),
    "broken disk": (
        [("BLOCK_IO_ERROR", BROKEN_DISK), ("STOP", {}), "io-error"],
        Status("paused", "a disk failed: Input/output error"),
    ),
    "an error that only the guest hears of": (
        [("BLOCK_IO_ERROR", {"action": "report", "nospace": True}), "running"],
        Status("running"),
    ),
    "a disk whose event is late": (["io-error"], Status("paused", "a disk failed")),
    "panicked": (["guest-panicked"], Status("panicked", "its kernel has panicked")),
    "button": ([("POWERDOWN", {}), "running"], Status("shutting down", PRESSED)),
    "paused after the button": (
        [("POWERDOWN", {}), "running", ("STOP", {}), "paused"],
        Status("paused", ON_REQUEST),
    ),
    "reboots instead": ([("POWERDOWN", {}), ("RESET", {}), "running"], Status("running")),
    "ends": (
        [("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"}), "shutdown"],
        Status("shutting down", "the guest shut down"),
    ),
    "asleep": (["suspended"], Status("paused", "the guest has suspended itself")),
    "a state of a later QEMU": (["hovering"], Status("paused", "QEMU is in the state hovering")),
}


@pytest.mark.parametrize(("story", "status"), STORIES.values(), ids=STORIES)
def test_a_domain_has_the_state_that_qemu_reports(story: list[Step], status: Status) -> None:
    reported = Reported()
    for step in story:
        if isinstance(step, str):
            assert reported.answer(step) == reported.status
        else:
            reported.event(*step)
    assert reported.status == status


def test_a_guest_arrives_when_it_first_runs_even_if_a_disk_stops_it_at_once() -> None:
    reported = Reported("it comes from kvm1")
    assert reported.answer("inmigrate") == reported.answer("paused") == reported.status
    assert reported.status == ("arriving", "it comes from kvm1")
    reported.event("RESUME", {})
    reported.event("BLOCK_IO_ERROR", FULL_DISK)
    assert reported.answer("io-error") == ("paused", FULL)


@pytest.mark.parametrize(
    ("name", "asks"), [("STOP", True), ("RESET", True), ("RTC_CHANGE", False), ("SHUTDOWN", False)]
)
def test_the_state_is_asked_for_after_events_that_may_change_it(name: str, asks: bool) -> None:
    assert Reported().event(name, {}) is asks


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("guest-shutdown", "the guest shut down"),
        ("guest-panic", "its kernel panicked"),
        ("host-qmp-quit", "QEMU was told to quit"),
        ("something new", ""),
    ],
)
def test_the_last_event_says_why_it_ends(reason: str, why: str) -> None:
    reported = Reported()
    reported.event("SHUTDOWN", {"guest": False, "reason": reason})
    assert reported.end == why


@pytest.mark.parametrize(
    ("registers", "runs"),
    [
        ("RAX=0\r\nCR0=80050033 CR2=0000000000000000 CR3=0 CR4=0\r\n", True),
        ("EAX=0\r\nCR0=00000010 CR2=00000000 CR3=00000000 CR4=00000000\r\n", False),  # real mode
        ("EAX=0\r\nCR0=00000011 CR2=00000000 CR3=00000000 CR4=00000000\r\n", False),  # GRUB
        ("X00=0 PC=0\r\n", True),  # no PC
        ("None", True),  # QEMU has refused it
    ],
)
def test_a_system_has_switched_paging_on(registers: str, runs: bool) -> None:
    assert runs_no_system(registers) is not runs
