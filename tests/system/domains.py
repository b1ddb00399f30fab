"""Domains of a network `lab` as a person has them: defined, started, looked at, logged in to."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.system.guest import IDLE_KERNEL, GuestFiles
from tests.system.world import World

LEASES = Path("/var/lib/pyvirt/leases/lab.leases")
RUN = Path("/run/pyvirt/domains")
BRIDGE = "pv-lab"
SERVER = "10.77.0.1"
_OF_A_RUN = {"web1.json", "qmp", "migration.qmp", "console", "lock"}


def pyvirt(
    world: World,
    *words: str | Path,
    check: bool = True,
    user: str | None = None,
    sudo_user: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run `pyvirt` as a user, or as root on behalf of `sudo_user`."""
    argv = ["pyvirt", *map(str, words)]
    return world.run(argv, check=check, timeout=120, user=user, env={"SUDO_USER": sudo_user})


def define(
    world: World,
    guest: GuestFiles,
    name: str,
    *options: str | Path,
    accel: str = "tcg",
    append: str = "console=ttyS0 quiet",
) -> None:
    boot = ("--kernel", guest.kernel, "--initrd", guest.initrd, "--append", append)
    size = ("--memory", "96", "--accel", accel)
    pyvirt(world, "domain", "create", name, "--network", "lab", *boot, *size, *options)


def define_idle(world: World, name: str, *options: str | Path, network: str = "lab") -> None:
    """Define a domain whose guest does nothing, for tests of what pyvirt does: it costs nothing."""
    (world.root / "run/idle-kernel").write_bytes(IDLE_KERNEL)
    boot = ("--kernel", "/run/idle-kernel", "--memory", "96", "--accel", "tcg")
    pyvirt(world, "domain", "create", name, "--network", network, *boot, *options)


def await_idle(world: World, name: str) -> None:
    """Wait until the system of a started `define_idle` runs."""
    log = RUN / name / "console.log"
    world.wait_for(f"the system of {name}", lambda: "~" in read(world, log))


def row(world: World, name: str) -> dict[str, str | int | list[str]]:
    shown = pyvirt(world, "domain", "show", name, "-o", "json").stdout
    (only,) = json.loads(shown)
    return dict(only)


def read(world: World, file: str | Path) -> str:
    """A file's text, empty where there is none."""
    return world.run(["cat", file], check=False).stdout


def lease(world: World, name: str, timeout: float = 180) -> str:
    """The address that `name` leases, waited for."""

    def found() -> str:
        macs = row(world, name)["macs"]
        assert isinstance(macs, list)
        rows = [line.split() for line in read(world, LEASES).splitlines()]
        # dnsmasq may be in the middle of a line.
        return next((f[2] for f in rows if len(f) == 5 and f[1] in macs), "")

    return world.wait_for(f"a lease for {name}", found, timeout)


def log_in(world: World, guest: GuestFiles, address: str, command: str) -> str:
    ssh: list[str | Path] = [
        "ssh",
        "-F",
        guest.ssh_config,
        "-o",
        "ConnectTimeout=5",
        f"root@{address}",
        command,
    ]

    def said() -> str:
        return world.run(ssh, check=False).stdout

    return world.wait_for(f"ssh to {address}", said, 60)


def wait_until_stopped(world: World, name: str) -> None:
    """Wait until a domain has stopped and its parent, which still cleans up then, has ended."""

    def stopped() -> bool:
        programs = world.run(["ps", "ax", "-o", "args="]).stdout
        return row(world, name)["state"] == "stopped" and f"domain run {name}" not in programs

    world.wait_for(f"{name} to stop", stopped, 60)


def cut_power(world: World, name: str = "web1") -> None:
    """End a domain at once, if it runs."""
    shown = row(world, name)
    if shown["state"] != "stopped":
        world.run(["kill", "-QUIT", str(shown["pid"])], check=False)
        wait_until_stopped(world, name)


def traces(world: World) -> list[str]:
    """What a domain that has ended must not leave behind."""
    links = world.run(["ip", "-brief", "link"]).stdout
    programs = world.run(["ps", "ax", "-o", "args="]).stdout
    leases = [line for line in read(world, LEASES).splitlines() if not line.startswith("duid")]
    ls: list[str | Path] = ["ls", RUN, RUN / "web1", "/run/pyvirt/networks/lab/hosts.d"]
    files = world.run(ls, check=False).stdout
    return [
        *(line for line in links.splitlines() if "pvtap" in line),
        *(line for line in programs.splitlines() if "domain run" in line or "qemu-system" in line),
        *leases,
        *(name for name in files.split() if name in _OF_A_RUN),
    ]


def mac_of(world: World, name: str) -> str:
    macs = row(world, name)["macs"]
    assert isinstance(macs, list)
    return macs[0]
