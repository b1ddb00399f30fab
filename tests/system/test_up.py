"""`pyvirt up` and `pyvirt down` on a host without systemd, as its init script calls them."""

from __future__ import annotations

import json
import time

import pytest

from tests.system.domains import LEASES, define, define_idle, pyvirt, read, row
from tests.system.guest import GuestFiles
from tests.system.world import World
from tests.waiting import wait_for

NAMES = ("web1", "web2", "web3")


@pytest.fixture
def booting(world: World) -> World:
    """A network and three domains that start at boot, of guests that do nothing."""
    pyvirt(world, "network", "create", "lab", "--mode", "isolated")
    for name in NAMES:
        define_idle(world, name, "--stop-timeout", "1s")
    pyvirt(world, "domain", "autostart", *NAMES, "on")
    world.serve()
    return world


def states(world: World) -> dict[str, str]:
    rows = json.loads(pyvirt(world, "domain", "list", "-o", "json").stdout)
    return {each["name"]: each["state"] for each in rows}


def network_pid(world: World) -> int:
    return int(json.loads((world.root / "run/pyvirt/networks/lab.json").read_text())["pid"])


def test_one_that_cannot_start_hides_no_other_and_down_leaves_nothing(booting: World) -> None:
    world = booting
    world.run(["sed", "-i", "s,/run/idle-kernel,/run/gone,", "/etc/pyvirt/domains/web2.toml"])
    before = world.run(["ip", "-brief", "link"]).stdout
    failed = pyvirt(world, "up", check=False)
    assert failed.returncode == 1
    done = failed.stdout.splitlines()
    assert done[0] == "network lab is started"
    assert sorted(done[1:]) == ["domain web1 is started", "domain web3 is started"]
    assert "/run/gone" in failed.stderr
    assert failed.stderr.splitlines()[-1] == "pyvirt: 1 of 4 did not start: web2"
    assert states(world) == {"web1": "running", "web2": "stopped", "web3": "running"}
    programs = world.run(["ps", "ax", "-o", "args"]).stdout
    for parent in ("network run lab", "domain run web1", "domain run web3"):
        assert f"pyvirt {parent}\n" in programs

    world.run(["sed", "-i", "s,/run/gone,/run/idle-kernel,", "/etc/pyvirt/domains/web2.toml"])
    web1 = row(world, "web1")["pid"]
    assert pyvirt(world, "up").stdout == (
        "domain web2 is started\n1 network and 3 domains are up\n"
    )
    assert row(world, "web1")["pid"] == web1

    begun = time.monotonic()
    assert pyvirt(world, "down").stdout.splitlines()[-1] == "1 network and 3 domains are stopped"
    assert time.monotonic() - begun < 20  # all at once: each is deaf to its power button for 1 s
    assert set(states(world).values()) == {"stopped"}
    assert world.run(["ip", "-brief", "link"]).stdout == before
    assert pyvirt(world, "down").stdout == "nothing is started\n"


def test_up_mends_what_was_killed_and_down_takes_it_along(booting: World) -> None:
    world = booting
    for tenths in (1, 6):
        up = world.spawn(["pyvirt", "up"])
        time.sleep(tenths / 10)
        up.kill()
        up.wait(30)
        pyvirt(world, "up")
        assert set(states(world).values()) == {"running"}
        world.run(["kill", "-KILL", str(row(world, "web1")["pid"]), str(network_pid(world))])
        pyvirt(world, "down")
        assert set(states(world).values()) == {"stopped"}


@pytest.mark.long
def test_twenty_guests_that_start_at_once_all_resolve(
    world: World, guest_files: GuestFiles
) -> None:
    pyvirt(world, "network", "create", "lab", "--mode", "isolated")
    names = [f"web{n}" for n in range(1, 21)]
    for name in names:
        define(world, guest_files, name)
    pyvirt(world, "domain", "autostart", *names, "on")
    world.serve()
    assert pyvirt(world, "up").stdout.splitlines()[-1] == "1 network and 20 domains are up"

    wait_for("20 leases", lambda: read(world, LEASES).count(" 10.77.0.") == 20, 900)
    found = world.run(["getent", "ahostsv4", *names], timeout=500).stdout.splitlines()
    assert [line.split()[2] for line in found if "STREAM" in line] == names
    assert len({line.split()[0] for line in found}) == 20
    pyvirt(world, "down", "--timeout", "1")
