"""The states of a domain, and the commands that change them, with a real QEMU (emulated)."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.system.domains import (
    RUN,
    await_idle,
    define,
    define_idle,
    lease,
    log_in,
    pyvirt,
    read,
    row,
    traces,
    wait_until_stopped,
)
from tests.system.guest import PANIC_KERNEL, GuestFiles
from tests.system.world import World


def state(world: World, name: str) -> str:
    return str(row(world, name)["state"])


def parents(world: World) -> set[object]:
    return {row(world, name)["pid"] for name in ("web1", "db1")}


@pytest.fixture
def two(idle_lab: World) -> World:
    """With a second domain; both run, and both guests ignore the power button."""
    define_idle(idle_lab, "db1")
    pyvirt(idle_lab, "domain", "start", "--all")
    for name in ("web1", "db1"):
        await_idle(idle_lab, name)
    return idle_lab


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_parent_ends_the_guest_and_clears_up(
    idle_lab: World, number: signal.Signals
) -> None:
    define_idle(idle_lab, "deaf1", "--stop-timeout", "1s")
    parent = idle_lab.spawn(["pyvirt", "domain", "run", "deaf1"])
    await_idle(idle_lab, "deaf1")
    idle_lab.signal(parent, number)
    assert parent.wait(20) == 0
    assert row(idle_lab, "deaf1")["why"] == "it had not shut down within 1 s and was forced off"
    idle_lab.wait_for("nothing to be left", lambda: traces(idle_lab) == [])


def test_a_guest_that_ignores_the_power_button_is_stopped_only_if_forced(
    idle_lab: World, tmp_path: Path
) -> None:
    define_idle(idle_lab, "deaf1")
    pyvirt(idle_lab, "domain", "start", "deaf1")
    await_idle(idle_lab, "deaf1")
    said = tmp_path / "said"
    with said.open("w") as stderr:
        waiting = idle_lab.spawn(["pyvirt", "domain", "stop", "deaf1"], stderr=stderr)
    told = "pyvirt: deaf1 is asked to shut down; waiting up to 60 s\n"
    idle_lab.wait_for("stop to say that it waits", lambda: said.read_text() == told)
    idle_lab.signal(waiting, signal.SIGINT)
    assert waiting.wait(20) == 130
    assert "deaf1, which may be running" in said.read_text()
    late = pyvirt(idle_lab, "domain", "stop", "deaf1", "--timeout", "1", check=False)
    assert late.returncode == 1
    assert "has not shut down within 1 s" in late.stderr
    assert "hint: sudo pyvirt domain stop --force deaf1" in late.stderr
    pyvirt(idle_lab, "domain", "stop", "deaf1", "--timeout", "1", "--force")
    assert row(idle_lab, "deaf1")["state"] == "stopped"


def test_pause_resume_and_start_change_the_state_that_anybody_sees(two: World) -> None:
    assert pyvirt(two, "domain", "pause", "web1").stdout == "domain web1 is paused\n"
    listed = pyvirt(two, "domain", "list", user="nobody").stdout.splitlines()
    assert [line.split()[:2] for line in listed[1:]] == [["db1", "running"], ["web1", "paused"]]
    assert listed[-1].endswith("on request")
    again = pyvirt(two, "pause", "web1").stdout
    assert again == "domain web1 was paused already\n"
    started = pyvirt(two, "domain", "start", "web1")
    assert "web1 was paused (on request) and goes on" in started.stderr
    assert state(two, "web1") == "running"
    pyvirt(two, "domain", "pause", "--all")
    assert {state(two, name) for name in ("web1", "db1")} == {"paused"}
    pyvirt(two, "domain", "resume", "--all")
    assert {state(two, name) for name in ("web1", "db1")} == {"running"}
    assert pyvirt(two, "resume", "web1").stdout == "domain web1 was running already\n"


def test_all_are_stopped_at_once_and_each_has_its_own_time(two: World) -> None:
    late = pyvirt(two, "domain", "stop", "--all", "--timeout", "1s", check=False)
    said = late.stderr.splitlines()
    assert late.returncode == 1
    assert said[0] == "pyvirt: db1, web1 are asked to shut down; waiting up to 1 s"
    assert [line for line in said if "has not shut down within 1 s" in line]
    assert {state(two, name) for name in ("web1", "db1")} == {"shutting down"}
    done = pyvirt(two, "domain", "stop", "--all", "--force").stdout
    assert sorted(done.splitlines()) == ["domain db1 is stopped", "domain web1 is stopped"]
    assert row(two, "web1")["why"] == "it was forced off"
    assert pyvirt(two, "domain", "stop", "--all").stdout == "no domain is running\n"


def test_a_paused_guest_is_resumed_to_be_stopped(idle_lab: World) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    await_idle(idle_lab, "web1")
    pyvirt(idle_lab, "domain", "pause", "web1")
    pyvirt(idle_lab, "domain", "stop", "--timeout", "0", "web1", check=False)
    assert state(idle_lab, "web1") == "shutting down"


def test_restart_gives_a_domain_a_new_process(two: World) -> None:
    before = parents(two)
    pyvirt(two, "domain", "restart", "--force", "web1", "db1")
    assert {state(two, name) for name in ("web1", "db1")} == {"running"}
    assert not before & parents(two)
    pyvirt(two, "domain", "stop", "--force", "web1")
    assert pyvirt(two, "reboot", "web1").stdout == "domain web1 is restarted\n"


REFUSED = [
    ("pause web1", "domain web1 is not running", "sudo pyvirt domain start web1"),
    ("resume web1", "domain web1 is not running", "sudo pyvirt domain start web1"),
    ("pause wbe1", 'there is no domain "wbe1"', "did you mean web1?"),
    ("restart wbe1", 'there is no domain "wbe1"', "did you mean web1?"),
    ("stop wbe1", 'there is no domain "wbe1"', "did you mean web1?"),
]


def test_what_cannot_be_done_is_one_line_with_a_hint(idle_lab: World) -> None:
    for words, why, hint in REFUSED:
        refused = pyvirt(idle_lab, "domain", *words.split(), check=False)
        assert refused.returncode == 1
        what, how = refused.stderr.splitlines()
        assert (why in what, how) == (True, f"  hint: {hint}"), words


def test_a_command_that_is_killed_leaves_a_domain_that_the_next_one_can_act_on(
    idle_lab: World,
) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    await_idle(idle_lab, "web1")
    for verb in ("stop", "restart"):
        waiting = idle_lab.spawn(["pyvirt", "domain", verb, "web1"])
        idle_lab.wait_for("the button", lambda: state(idle_lab, "web1") == "shutting down")
        idle_lab.signal(waiting, signal.SIGKILL)
        waiting.wait(20)
        pyvirt(idle_lab, "domain", "restart", "--force", "web1")
        assert state(idle_lab, "web1") == "running"
    pyvirt(idle_lab, "domain", "pause", "web1")
    idle_lab.run(["kill", "-KILL", str(row(idle_lab, "web1")["pid"])])
    wait_until_stopped(idle_lab, "web1")
    assert row(idle_lab, "web1")["why"] == "its process was killed"
    pyvirt(idle_lab, "domain", "start", "web1")
    assert state(idle_lab, "web1") == "running"


def test_how_the_last_run_ended_is_known_until_the_domain_is_deleted(idle_lab: World) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    pid = row(idle_lab, "web1")["pid"]
    idle_lab.run(["sh", "-c", f"kill -KILL $(ps -o pid= --ppid {pid})"])
    wait_until_stopped(idle_lab, "web1")
    assert row(idle_lab, "web1")["why"] == "QEMU ended by signal 9"
    shown = pyvirt(idle_lab, "domain", "list", user="nobody").stdout
    assert shown.splitlines()[-1].endswith("QEMU ended by signal 9")
    pyvirt(idle_lab, "domain", "delete", "web1")
    assert read(idle_lab, RUN.parent / "ended/web1.json") == ""


def test_a_guest_whose_kernel_panics_is_shown_so_and_stopped_without_force(
    idle_lab: World,
) -> None:
    (idle_lab.root / "run/idle-kernel").write_bytes(PANIC_KERNEL)
    pyvirt(idle_lab, "domain", "start", "web1")
    idle_lab.wait_for("the panic", lambda: state(idle_lab, "web1") == "panicked")
    for verb in ("resume", "pause", "start"):
        refused = pyvirt(idle_lab, "domain", verb, "web1", check=False)
        assert refused.returncode == 1
        assert refused.stderr.splitlines() == [
            "pyvirt: the kernel of web1 has panicked",
            "  hint: sudo pyvirt domain restart web1",
        ]
    pyvirt(idle_lab, "domain", "restart", "web1")
    idle_lab.wait_for("another panic", lambda: state(idle_lab, "web1") == "panicked")
    pyvirt(idle_lab, "domain", "stop", "web1")
    assert row(idle_lab, "web1")["state"] == "stopped"


def test_the_name_of_a_paused_domain_keeps_answering(lab: World) -> None:
    lab.serve()
    pyvirt(lab, "domain", "start", "web1")
    address = lease(lab, "web1")
    found: list[str | Path] = ["getent", "ahostsv4", "web1"]
    lab.wait_for("the name", lambda: address in lab.run(found, check=False).stdout)
    pyvirt(lab, "domain", "pause", "web1")
    # The service reads the run state before it publishes the next claim.
    lab.run(["pyvirt", "domain", "set", "web1", "alias+=www"])
    lab.wait_for(
        "its new alias", lambda: not lab.run(["getent", "hosts", "www"], check=False).returncode
    )
    assert address in lab.run(found).stdout
    assert state(lab, "web1") == "paused"


def test_a_guest_whose_disk_is_full_goes_on_by_itself_or_once_paused_by_resume(
    started_lab: World, guest_files: GuestFiles
) -> None:
    disks, data = "/var/lib/pyvirt/domains", "/var/lib/data.img"
    started_lab.run(["mkdir", "-p", disks])
    started_lab.run(["mount", "-t", "tmpfs", "-o", "size=8M,mode=0755", "tmpfs", disks])
    started_lab.run(["truncate", "-s", "256M", data])
    define(started_lab, guest_files, "web1", "--disk", data)
    pyvirt(started_lab, "domain", "start", "web1")
    address = lease(started_lab, "web1")
    assert log_in(started_lab, guest_files, address, "hostname")
    writes = "cat /dev/urandom >/dev/vda"
    started_lab.spawn(["ssh", "-F", str(guest_files.ssh_config), f"root@{address}", writes])

    def why() -> object:
        return row(started_lab, "web1")["why"]

    def enlarge(size: str) -> None:
        started_lab.run(["mount", "-o", f"remount,size={size}", disks])

    full = "the host's disk is full"
    started_lab.wait_for("a full disk", lambda: why() == full, 60)
    enlarge("32M")  # it goes on, until the disk is full again
    used = ["du", "-sm", disks]
    started_lab.wait_for(
        "more", lambda: int(started_lab.run(used).stdout.split()[0]) > 24 and why() == full, 60
    )
    assert pyvirt(started_lab, "domain", "pause", "web1").stdout == "domain web1 is paused\n"
    assert why() == "on request"
    enlarge("512M")
    assert pyvirt(started_lab, "domain", "resume", "web1").stdout == "domain web1 goes on\n"
    assert state(started_lab, "web1") == "running"


def test_a_guest_whose_disk_does_not_boot_is_stopped_at_once(idle_lab: World) -> None:
    idle_lab.run(["truncate", "-s", "8M", "/var/lib/empty.img"])
    disk = ("--disk", "/var/lib/empty.img", "--no-seed", "--accel", "tcg", "--memory", "64")
    pyvirt(idle_lab, "domain", "create", "bare1", "--network", "lab", *disk)
    pyvirt(idle_lab, "domain", "start", "bare1")
    pyvirt(idle_lab, "domain", "stop", "bare1")
    assert row(idle_lab, "bare1")["why"] == "no system ran in it"
