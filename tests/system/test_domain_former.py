"""A start waits for the QEMU that a killed parent left, and for no other."""

from __future__ import annotations

from tests.system.domains import pyvirt, row
from tests.system.world import World

QEMU = [
    *("qemu-system-x86_64", "-S", "-machine", "none", "-nodefaults", "-display", "none"),
    *("-name", "guest=web1"),
]


def count(world: World) -> int:
    """How many QEMUs run."""
    found = world.run(["pgrep", "--count", "--full", "^qemu-system.*guest=web1"], check=False)
    return int(found.stdout)


def test_a_start_waits_for_its_own_former_qemu_only(idle_lab: World) -> None:
    stranger = idle_lab.spawn(QEMU, user="nobody")
    former = idle_lab.spawn(QEMU)
    idle_lab.wait_for("both to run", lambda: count(idle_lab) == 2)
    late = pyvirt(idle_lab, "domain", "start", "web1", check=False)
    assert late.returncode == 1
    assert "of an earlier run has not ended" in late.stderr
    former.kill()
    former.wait(20)
    pyvirt(idle_lab, "domain", "start", "web1")
    assert row(idle_lab, "web1")["state"] == "running"
    assert stranger.poll() is None
