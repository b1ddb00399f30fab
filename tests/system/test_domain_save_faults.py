"""Guests whose save or restore fails, or is killed: each is there once, and goes on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.system.domains import await_idle, pyvirt, row, traces
from tests.system.world import World

DOMAINS = Path("/var/lib/pyvirt/domains")
SAVED = DOMAINS / "web1/saved"
PATCHED = """
import os, sys
from unittest import mock
from leasewatch.pyvirt.domains import restores, saves
from leasewatch.pyvirt.cli.pyvirt import main
def die(*_):
    os.kill(os.getpid(), 9)
with mock.patch.object({target}):
    sys.exit(main())
"""
"""pyvirt with a function that does something else."""


def state(world: World, name: str = "web1") -> str:
    return str(row(world, name)["state"])


def patched(world: World, target: str, *words: str) -> tuple[int, str]:
    """Run `pyvirt WORDS` with a patch; its exit code and what it says."""
    argv = [sys.executable, "-P", "-c", PATCHED.format(target=target), *words]
    done = world.run(argv, check=False, timeout=120)
    return done.returncode, done.stderr


@pytest.fixture
def running(idle_lab: World) -> World:
    """With a running `web1` that does nothing."""
    pyvirt(idle_lab, "domain", "start", "web1")
    await_idle(idle_lab, "web1")
    return idle_lab


@pytest.fixture
def saved(running: World) -> World:
    """With a saved `web1`."""
    pyvirt(running, "domain", "save", "web1")
    return running


def test_a_save_that_is_killed_or_has_no_room_lets_the_guest_go_on(running: World) -> None:
    code, _ = patched(running, 'saves._Save, "_follow", die', "domain", "save", "web1")
    assert code in {-9, 137}
    running.wait_for("the guest to go on", lambda: state(running) == "running")
    assert running.run(["ls", "-A", DOMAINS / "web1"]).stdout == ""
    running.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", DOMAINS])
    refused = pyvirt(running, "domain", "save", "web1", check=False)
    assert refused.returncode == 1
    assert "256K is free" in refused.stderr
    code, said = patched(running, 'saves, "_check_room", lambda *_: None', "domain", "save", "web1")
    assert code == 1
    assert "No space left on device" in said
    assert said.splitlines()[-1] == f"  hint: make room: df -h {DOMAINS}/web1"
    assert state(running) == "running"
    assert running.run(["ls", "-A", DOMAINS / "web1"]).stdout == ""
    running.run(["umount", DOMAINS])
    pyvirt(running, "domain", "save", "web1")
    assert state(running) == "saved"


@pytest.mark.long
def test_a_restore_that_is_killed_while_qemu_reads_is_done_once_by_the_next(
    saved: World,
) -> None:
    code, _ = patched(saved, 'restores, "_await_loaded", die', "domain", "restore", "web1")
    assert code in {-9, 137}
    assert saved.run(["test", "-e", SAVED]).returncode == 0
    both = [saved.spawn(["pyvirt", "domain", "start", "web1"]) for _ in range(2)]
    assert [program.wait(60) for program in both] == [0, 0]
    assert (state(saved), (saved.root / str(SAVED)[1:]).exists()) == ("running", False)
    programs = saved.run(["ps", "ax", "-o", "args="]).stdout
    assert programs.count("guest=web1") == 1


DAMAGED = {
    "cut off": ("truncate -s 100000 {}", "is damaged: it has 100000 bytes of"),
    "no header": ("dd if=/dev/zero of={} bs=1k count=1 conv=notrunc", "is damaged"),
    "no guest": (
        "dd if=/dev/zero of={} bs=64k seek=1 count=1 conv=notrunc",
        "load of migration failed",
    ),
}


@pytest.mark.long
def test_what_cannot_go_on_stays_and_can_be_forgotten(idle_lab: World) -> None:
    saved = idle_lab
    saved.run(["qemu-img", "create", "-q", "-f", "qcow2", "/run/empty.qcow2", "64M"])
    pyvirt(saved, "domain", "set", "web1", "disk+=/run/empty.qcow2")
    pyvirt(saved, "domain", "start", "web1")
    pyvirt(saved, "domain", "save", "web1")
    for command, said in DAMAGED.values():
        saved.run(["cp", "--sparse=always", SAVED, "/run/copy"])
        saved.run(["sh", "-c", command.format(SAVED)])
        done = pyvirt(saved, "domain", "restore", "web1", check=False)
        assert done.returncode == 1
        assert said in done.stderr
        assert (state(saved), len(done.stderr.splitlines())) == ("saved", 2)
        saved.run(["cp", "--sparse=always", "/run/copy", SAVED])
    saved.run(["qemu-io", "-c", "write 0 4k", DOMAINS / "web1/disk.qcow2"])
    stale = pyvirt(saved, "domain", "start", "web1", check=False)
    assert "disk.qcow2 was changed since it was saved" in stale.stderr
    refused = pyvirt(saved, "domain", "set", "web1", "memory=128", check=False)
    assert "domain web1 is saved: memory cannot change" in refused.stderr
    pyvirt(saved, "domain", "set", "web1", "alias=www")
    assert pyvirt(saved, "managedsave-remove", "web1").stdout == "domain web1 is no longer saved\n"
    assert (state(saved), traces(saved)) == ("stopped", [])
    missing = pyvirt(saved, "domain", "restore", "web1", check=False)
    assert "no guest of domain web1 is saved" in missing.stderr
