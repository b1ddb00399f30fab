"""The programs on arm64: the wheel that packaging/wheel builds for it, under qemu-user.

What the module answers there is in test_other_libcs.py.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.shipped import run
from tests.system import arm64
from tests.system.answers import Libc
from tests.system.lookups import furnish
from tests.system.world import World

pytestmark = pytest.mark.long

OLDER = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64")
"""Platforms of the wheels that ours depends on."""


@pytest.fixture(scope="module")
def machine(_namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Libc]:
    """A Debian of arm64 in a world, with our wheel and those that it depends on in /opt/pyvirt."""
    folder = tmp_path_factory.mktemp("arm64")
    platforms = [word for one in (arm64.PLATFORM, *OLDER) for word in ("--platform", one)]
    target = ["--target", str(folder / "pyvirt"), "--python-version", "3.11", "--only-binary=:all:"]
    wheel = arm64.wheel(folder)
    run(sys.executable, "-m", "pip", "install", "-q", *platforms, *target, wheel, timeout=300)
    with closing(World()) as world:
        furnish(world)
        made = arm64.in_a_world(world, folder)
        world.run(["mkdir", f"{made.root}/opt"])
        world.run(["cp", "-r", folder / "pyvirt", f"{made.root}/opt"])
        yield Libc(world, made.root, made.before, {"PYTHONPATH": "/opt/pyvirt"})


def types(machine: Libc, program: str, *words: str, check: bool = True) -> str:
    """What a program of ours prints there."""
    argv = ["/usr/bin/python3.11", f"/opt/pyvirt/bin/{program}", *words]
    return machine.run(*argv, check=check).stdout


def test_the_installer_puts_the_module_where_glibc_of_arm64_finds_it(machine: Libc) -> None:
    assert (
        "aarch64" in machine.run("/usr/bin/python3.11", "-c", "import os; print(os.uname())").stdout
    )
    place = f"{arm64.LIBRARIES}/libnss_pyvirt.so.2"
    assert f"installed {place}\n" in types(machine, "nss-pyvirt", "install")
    states = json.loads(types(machine, "nss-pyvirt", "status", "-o", "json", check=False))
    assert {"nsswitch": "ok", "module": "ok"}.items() <= {
        row["subject"]: row["state"] for row in states
    }.items()
    machine.set_hosts_line("pyvirt")
    assert machine.run("/usr/bin/getent", "hosts", "web1").stdout.split()[:2] == ["fd12::5", "web1"]


@pytest.mark.parametrize("program", ["leasewatch", "nss-pyvirt", "pyvirt"])
def test_each_program_shows_its_help(machine: Libc, program: str) -> None:
    assert types(machine, program, "--help").startswith("Usage: ")


def test_the_service_publishes_a_lease_and_the_name_resolves(machine: Libc) -> None:
    world, python = machine.world, "/usr/bin/python3.11"
    machine.set_hosts_line("pyvirt")
    machine.run(python, "-c", "import os; os.makedirs('/var/lib/misc')")
    lease = f"{int(time.time()) + 3600} 52:54:00:00:00:07 10.77.0.7 arm *\n"
    machine.write("/var/lib/misc/dnsmasq.leases", lease)
    serve = [*machine.before, python, "/opt/pyvirt/bin/leasewatch", "serve"]
    service = world.spawn(serve, env=machine.env)

    def resolves() -> bool:
        assert service.poll() is None, "leasewatch serve has ended"
        found = machine.run("/usr/bin/getent", "hosts", "arm", check=False).stdout.split()
        return found[:2] == ["10.77.0.7", "arm"]

    try:
        world.wait_for("the lease to be published", resolves, 120)
        assert "published" in types(machine, "leasewatch", "list", "arm")
    finally:
        world.signal(service, signal.SIGTERM)
        service.wait(60)
