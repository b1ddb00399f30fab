"""The lab itself: what other system tests rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

from tests.system.world import CHECKOUT, World, host_state
from tests.waiting import wait_for


def test_the_host_is_the_same_after_a_world_as_before() -> None:
    before = host_state()
    world = World()
    world.run(["sh", "-c", "touch /etc/x /run/x /var/lib/x /root/x && ip link add br0 type bridge"])
    world.client("machine", "br0")
    world.close()
    assert host_state() == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_world_ends_with_all_its_programs_when_its_holder_is_killed(
    number: signal.Signals,
) -> None:
    holder = subprocess.Popen(
        [CHECKOUT / "packaging/world", "sh", "-c", "sleep 600 & echo up; exec sleep 600"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "up\n"
    holder.send_signal(number)
    holder.wait(30)
    assert holder.stdout.read() == ""  # end of file: nobody holds the other end any more
    holder.stdout.close()


@pytest.mark.parametrize("pause", [*range(0, 40, 2), *range(40, 400, 40)])
def test_an_interrupt_while_a_world_is_made_ends_it(pause: int) -> None:
    """`pause`: ms. The namespaces are there after about 30, the world after about 300."""
    holder = subprocess.Popen(
        [CHECKOUT / "packaging/world", "sleep", "600"],
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(pause / 1000)
        os.killpg(holder.pid, signal.SIGINT)
        assert holder.wait(30) != 0
    finally:
        holder.kill()
        holder.wait(30)
    ended = ["pgrep", "--count", "--session", str(holder.pid)]
    wait_for("everybody to end", lambda: subprocess.run(ended, check=False).returncode)


def test_a_world_passes_the_exit_code_of_its_command_on() -> None:
    done = subprocess.run([CHECKOUT / "packaging/world", "sh", "-c", "exit 7"], check=False)
    assert done.returncode == 7


def test_a_world_starts_with_an_empty_network_and_no_state(world: World) -> None:
    assert world.run(["ip", "-brief", "link"]).stdout.split()[0] == "lo"
    assert world.run(["find", "/etc/pyvirt", "/var/lib/pyvirt", "-mindepth", "1"]).stdout == ""


def test_a_plain_user_may_read_the_module_and_run_the_tools(world: World) -> None:
    cache = world.run(["ldconfig", "-p"]).stdout
    (module,) = (line.split()[-1] for line in cache.splitlines() if "libnss_pyvirt" in line)
    world.run(["sha256sum", module, CHECKOUT / "pyproject.toml"], user="nobody")
    world.run(["leasewatch", "--version"], user="nobody")


def test_a_killed_program_is_gone(world: World) -> None:
    program = world.spawn(["sleep", "600"])
    world.signal(program, signal.SIGTERM)
    program.wait(30)
    assert "sleep 600" not in world.run(["ps", "ax", "-o", "args"]).stdout
