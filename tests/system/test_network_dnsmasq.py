"""What `network list` says of networks that give no leases, and how a dnsmasq is retried."""

from __future__ import annotations

import json
import time

import pytest

from tests.system.networks import kill, started, state
from tests.system.world import World

STAND_IN = """
program=$(realpath "$(command -v dnsmasq)")
mkdir -m 0755 /dev/shm/fake
install -m 0666 /dev/null /dev/shm/fake/tried
cat >/dev/shm/fake/dnsmasq
chmod 0755 /dev/shm/fake/dnsmasq
mount --bind /dev/shm/fake/dnsmasq "$program"
"""
NEVER_LASTS = """#!/bin/sh
date +%s.%N-"$1" >>/dev/shm/fake/tried
case $1 in *flaps*) echo dnsmasq: started, version 0 >&2; sleep 0.1 ;; esac
exit 3
"""


@pytest.fixture
def labs(world: World) -> World:
    """A network of which each dnsmasq dies, one that was mended, one whose dnsmasq starts first."""
    for number, name in enumerate(("dies", "mended", "flaps")):
        started(world, name, "--mode", "isolated", "--subnet", f"10.9.{number}.0/24")
    world.run(["pyvirt", "network", "start", "mended"])
    return world


def states(world: World) -> set[str]:
    listed = json.loads(world.run(["pyvirt", "network", "list", "-o", "json"]).stdout)
    return {each["state"] for each in listed}


def test_a_dnsmasq_that_keeps_dying_is_tried_ever_more_slowly_and_is_back_at_last(
    labs: World,
) -> None:
    assert states(labs) == {"started"}
    labs.run(["sh", "-ec", STAND_IN], input=NEVER_LASTS)
    names = ("dies", "mended", "flaps")
    begun = time.time()
    for name in names:
        kill(labs, state(labs, name)["dnsmasq_pid"])

    def tried(name: str) -> list[float]:
        lines = (labs.root / "dev/shm/fake/tried").read_text().splitlines()
        return [float(line.partition("-")[0]) for line in lines if f"/{name}/" in line]

    for name in names:
        labs.wait_for(f"{name} to be tried", lambda name=name: len(tried(name)) >= 4)  # type: ignore[misc]
        assert tried(name)[3] - begun > 3.4, "0.5, 1 and 2 s are between the first four"
    labs.wait_for("all to be said", lambda: states(labs) == {"no dnsmasq"})
    labs.run(["sh", "-c", 'umount -l "$(realpath "$(command -v dnsmasq)")"'])
    labs.wait_for("all to be back", lambda: states(labs) == {"started"})


def test_a_network_without_an_address_left_is_reported(world: World) -> None:
    started(world, "lab", "--subnet", "10.9.0.0/29")
    for number in range(2, 7):
        assert states(world) == {"started"}
        line = f"0 52:54:00:00:00:0{number} 10.9.0.{number} * *\n"
        world.run(["tee", "-a", "/var/lib/pyvirt/leases/lab.leases"], input=line)
    assert states(world) == {"no address left"}
