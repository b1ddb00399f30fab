"""A start waits for the QEMU that a killed parent left."""

from __future__ import annotations

import fcntl
from pathlib import Path

from tests.system.domains import RUN, define_idle, pyvirt, row, traces
from tests.system.world import World

OVERLAY = Path("/var/lib/pyvirt/domains/db1/disk.qcow2")


def test_a_start_waits_for_the_former_qemu(idle_lab: World) -> None:
    """The lock is what QEMU inherits; it ends with the last process that holds it."""
    folder = idle_lab.root / RUN.relative_to("/") / "web1"
    folder.mkdir(parents=True)
    with (folder / "qemu.lock").open("w") as former:
        fcntl.flock(former, fcntl.LOCK_EX)
        late = pyvirt(idle_lab, "domain", "start", "web1", check=False)
        assert late.returncode == 1
        assert "QEMU of an earlier run of web1 has not ended" in late.stderr
        assert traces(idle_lab) == []
    pyvirt(idle_lab, "domain", "start", "web1")
    assert row(idle_lab, "web1")["state"] == "running"


def test_a_qemu_holds_its_lock_and_its_disk_until_it_ends(idle_lab: World) -> None:
    idle_lab.run(["qemu-img", "create", "-q", "-f", "qcow2", "/var/lib/base.qcow2", "8M"])
    define_idle(idle_lab, "db1", "--disk", "/var/lib/base.qcow2")
    pyvirt(idle_lab, "domain", "start", "db1")
    parent = row(idle_lab, "db1")["pid"]
    lock: list[str | Path] = ["flock", "--nonblock", RUN / "db1/qemu.lock", "true"]
    assert idle_lab.run(lock, check=False).returncode == 1
    written = idle_lab.run(["qemu-io", "-c", "write 0 1", OVERLAY], check=False)
    assert 'Failed to get "write" lock' in written.stderr
    idle_lab.run(["kill", "-KILL", str(parent)])
    idle_lab.wait_for("QEMU to end", lambda: idle_lab.run(lock, check=False).returncode == 0)
