"""`start` right after a kill: it waits for what is ending, and takes over what is starting."""

from __future__ import annotations

import json
import time

import pytest

from tests.system.domains import pyvirt, row
from tests.system.world import World


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
def test_a_network_starts_right_after_sigterm_to_its_process(
    started_lab: World, signal: str
) -> None:
    for _ in range(3):
        former = parent(started_lab)
        kill_and_start(started_lab, signal, former, "network", "start", "lab")
        assert parent(started_lab) != former
    assert started_lab.client("c1", "pv-lab").dhcp("c1")


def test_a_network_whose_start_was_killed_is_started_by_the_next(started_lab: World) -> None:
    for tenths in range(8):
        pyvirt(started_lab, "network", "stop", "lab")
        start = started_lab.spawn(["pyvirt", "network", "start", "lab"])
        time.sleep(tenths / 20)
        start.kill()
        start.wait(30)
        pyvirt(started_lab, "network", "start", "lab")
    assert started_lab.client("c1", "pv-lab").dhcp("c1")


def test_a_domain_is_started_at_once_after_its_process_was_killed(idle_lab: World) -> None:
    idle_lab.serve()
    pyvirt(idle_lab, "domain", "start", "web1")
    for _ in range(3):
        former = row(idle_lab, "web1")["pid"]
        assert isinstance(former, int)
        kill_and_start(idle_lab, "KILL", former, "domain", "start", "web1")
        assert row(idle_lab, "web1")["pid"] != former
