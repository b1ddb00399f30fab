"""packaging/lab: a site of three hosts with BIND and Knot, from a person's side."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.name_servers import need
from tests.system.trying import inhabitants, read_until, trying, world_of
from tests.system.world import CHECKOUT, World, host_state
from tests.waiting import wait_for

LAB = CHECKOUT / "packaging/lab"


@pytest.fixture(autouse=True)
def _prepared(_namespaces: None) -> Iterator[dict[str, object]]:
    """The name servers are unpacked; the host is afterwards as it was."""
    need()
    before = host_state()
    yield before
    assert host_state() == before


def test_the_check_asks_every_name_server_and_leaves_the_host_as_it_was() -> None:
    done = subprocess.run(
        [LAB, "--check"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout


def test_an_interrupt_ends_the_hosts_too() -> None:
    with trying(LAB, "--check") as program:
        read_until(program, "the network of the site")
        namespace = world_of(program)
        os.killpg(program.pid, signal.SIGINT)
        assert program.wait(30) != 0
    wait_for("its programs to end", lambda: not inhabitants(namespace))


def test_its_shell_has_everything_that_it_names() -> None:
    with trying("script", "-qefc", str(LAB), "/dev/null") as program:
        read_until(program, "Leaving the shell ends everything")
        assert program.stdin is not None
        program.stdin.write("on hosta getent hosts web1 | sed s/^/name:/; crash hostb; exit\n")
        program.stdin.flush()
        assert "name:" in read_until(program, "web1.lab.internal")
        assert program.wait(30) == 0


def test_without_root_it_says_so(world: World) -> None:
    refused = world.run([LAB, "--check"], user="nobody", check=False)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[1:] == ["  hint: sudo packaging/lab"]
