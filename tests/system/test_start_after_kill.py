"""`start` right after a kill: it waits for what is ending, and takes over what is starting."""

from __future__ import annotations

import json
import time

import pytest

from tests.system.domains import define, pyvirt, row
from tests.system.guest import GuestFiles
from tests.system.world import World


@pytest.fixture
def lab(world: World) -> World:
    """A started network."""
    pyvirt(world, "network", "create", "lab", "--subnet", "10.77.0.0/24", "--mode", "isolated")
    pyvirt(world, "network", "start", "lab")
    return world


def parent(world: World) -> int:
    state = json.loads((world.root / "run/pyvirt/networks/lab.json").read_text())
    return int(state["pid"])


def kill_and_start(world: World, signal: str, pid: int, *what: str) -> None:
    """Nothing comes between the two."""
    done = world.run(
        ["sh", "-c", f"kill -{signal} {pid}; exec pyvirt {' '.join(what)}"], check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout == f"{what[0]} {what[2]} is started\n"


@pytest.mark.parametrize("signal", ["KILL", "TERM", "INT"])
def test_a_network_is_started_at_once_after_its_process_was_told_to_end(
    lab: World, signal: str
) -> None:
    for _ in range(3):
        former = parent(lab)
        kill_and_start(lab, signal, former, "network", "start", "lab")
        assert parent(lab) != former
    assert lab.client("c1", "pv-lab").dhcp("c1")


def test_a_network_whose_start_was_killed_is_started_by_the_next(lab: World) -> None:
    for tenths in range(8):
        pyvirt(lab, "network", "stop", "lab")
        start = lab.spawn(["pyvirt", "network", "start", "lab"])
        time.sleep(tenths / 20)
        start.kill()
        start.wait(30)
        pyvirt(lab, "network", "start", "lab")
    assert lab.client("c1", "pv-lab").dhcp("c1")


def test_a_domain_is_started_at_once_after_its_process_was_killed(
    lab: World, guest_files: GuestFiles
) -> None:
    define(lab, guest_files, "web1")
    lab.serve()
    pyvirt(lab, "domain", "start", "web1")
    for _ in range(3):
        former = row(lab, "web1")["pid"]
        assert isinstance(former, int)
        kill_and_start(lab, "KILL", former, "domain", "start", "web1")
        assert row(lab, "web1")["pid"] != former
