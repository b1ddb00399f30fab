"""What of the host a QEMU reaches that its guest has taken over."""

from __future__ import annotations

import json
from pathlib import Path

from tests.system.domains import define_idle, pyvirt, row
from tests.system.qemu_probe import EXPECTED
from tests.system.world import World

PROBE = Path(__file__).with_name("qemu_probe.py")


def qemu_of(world: World, name: str) -> str:
    return world.run(["ps", "-o", "pid=", "--ppid", str(row(world, name)["pid"])]).stdout.strip()


def status(world: World, pid: str) -> dict[str, str]:
    lines = world.run(["cat", f"/proc/{pid}/status"]).stdout.splitlines()
    return dict(line.split(":\t", 1) for line in lines)


def test_a_qemu_that_its_guest_has_taken_over_reaches_nothing_of_the_host(idle_lab: World) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    tried = idle_lab.run(["python", PROBE, qemu_of(idle_lab, "web1")])
    assert json.loads(tried.stdout) == EXPECTED, tried.stderr
    assert row(idle_lab, "web1")["state"] == "running"


def test_a_qemu_has_a_user_and_no_power_of_roots(idle_lab: World) -> None:
    idle_lab.run(["qemu-img", "create", "-q", "-f", "qcow2", "/var/lib/base.qcow2", "8M"])
    define_idle(idle_lab, "db1", "--disk", "/var/lib/base.qcow2")
    pyvirt(idle_lab, "domain", "start", "db1")
    pid = qemu_of(idle_lab, "db1")
    held = status(idle_lab, pid)
    uid = idle_lab.run(["id", "-u", "pyvirt-qemu"]).stdout.strip()
    assert held["Uid"].split() == held["Gid"].split() == [uid] * 4
    assert held["Groups"].strip() == ""
    assert {held[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (held["NoNewPrivs"], held["Seccomp"]) == ("1", "2")  # 2: a filter
    written = idle_lab.run(["sh", "-c", f"readlink /proc/{pid}/fd/*"]).stdout.split()
    files = {Path(path).name for path in written if path.startswith(("/var", "/etc", "/run"))}
    assert {name for name in files if not name.startswith("sha256-")} == {"disk.qcow2", "qemu.lock"}


def test_a_host_without_the_user_says_what_to_type(idle_lab: World) -> None:
    idle_lab.run(["sed", "-i", "/^pyvirt-qemu:/d", "/etc/passwd"])
    refused = pyvirt(idle_lab, "domain", "start", "web1", check=False)
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "pyvirt: there is no user pyvirt-qemu, as which QEMU runs",
        "  hint: sudo nss-pyvirt install",
    ]
    assert row(idle_lab, "web1")["state"] == "stopped"


def test_dnsmasq_is_not_root_and_keeps_powers_over_the_network_alone(started_lab: World) -> None:
    held = status(started_lab, started_lab.run(["pgrep", "-x", "dnsmasq"]).stdout.strip())
    assert "0" not in held["Uid"].split()
    bind, admin, raw = 10, 12, 13  # linux/capability.h
    assert int(held["CapEff"], 16) & ~(1 << bind | 1 << admin | 1 << raw) == 0
    assert held["CapBnd"] == held["CapEff"]
