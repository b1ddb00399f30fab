"""Commands on domains that are killed at any step, with all that they have begun: what comes next.

A forked `pyvirt domain run` counts its own steps, so it is killed as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.system.domains import RUN, cut_power, pyvirt, read, row, traces
from tests.system.guest import IDLE_KERNEL
from tests.system.world import CHECKOUT, World

KILLER = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
from tests.leasewatch.killing import kill_at
from leasewatch.pyvirt.cli.pyvirt import main
kill_at(int(sys.argv.pop(1)))
sys.exit(main())
"""


def killed(world: World, stride: int, *words: str, end: str = "") -> Iterator[int]:
    """Run `pyvirt WORDS` again and again, killed some steps later each time, until it gets through.

    Yields the step after each kill. `end`: what it prints when it gets through but fails.
    """
    for step in range(1, 1000, stride):
        argv = [sys.executable, "-P", "-c", KILLER, str(step), *words]
        done = world.run(argv, check=False, timeout=120)
        yield step
        if done.returncode == 0 or (end and end in done.stderr):
            return
    raise AssertionError("it never ends")


@pytest.fixture(params=[9, pytest.param(1, marks=pytest.mark.long)])
def stride(request: pytest.FixtureRequest) -> int:
    """How many steps lie between two kills."""
    return int(request.param)


def test_a_start_that_was_killed_is_done_by_the_next(idle_lab: World, stride: int) -> None:
    idle_lab.serve()
    count = 0
    for count in killed(idle_lab, stride, "domain", "start", "web1"):
        done = pyvirt(idle_lab, "domain", "start", "web1")
        assert done.stderr == ""
        assert row(idle_lab, "web1")["state"] == "running"
        cut_power(idle_lab)
        assert not [trace for trace in traces(idle_lab) if trace != "lock"], count
    assert count > 20


def test_a_set_that_was_killed_is_done_by_the_next(idle_lab: World, stride: int) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    asked = ("alias=www", "memory=100", "address=10.77.0.60")
    count = 0
    for count in killed(idle_lab, stride, "domain", "set", "web1", *asked):  # noqa: B007
        pyvirt(idle_lab, "domain", "set", "web1", *asked)
        assert '"www"' in read(idle_lab, RUN / "web1.json")
        assert ",10.77.0.60,web1" in read(idle_lab, "/run/pyvirt/networks/lab/hosts.d/web1")
        pyvirt(idle_lab, "domain", "set", "web1", "alias=", "memory=96", "address=")
    assert count > 9


NOT_REACHED = "answer from ssh of web1 within 1 s"


def test_a_launch_that_was_killed_goes_on_from_there(world: World, stride: int) -> None:
    world.serve()
    key = "/root/.ssh/id_ed25519"
    world.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])
    (world.root / "run/idle-kernel").write_bytes(IDLE_KERNEL)
    boot = ["--kernel", "/run/idle-kernel", "--memory", "96", "--cpus", "1", "--accel", "tcg"]
    launch = ["launch", "web1", *boot, "--timeout", "1"]
    count = 0
    for count in killed(world, 4 * stride, *launch, end=NOT_REACHED):
        done = pyvirt(world, *launch, check=False)
        assert NOT_REACHED in done.stderr, (count, done.stderr)
        assert (row(world, "web1")["state"], row(world, "web1")["autostart"]) == ("running", True)
        cut_power(world)
        pyvirt(world, "domain", "delete", "web1")
        pyvirt(world, "network", "stop", "default")
        pyvirt(world, "network", "delete", "default")
        left = world.run(["find", "/etc/pyvirt", "/var/lib/pyvirt", "-name", "*web1*"], check=False)
        assert left.stdout == ""
    assert count > 40
