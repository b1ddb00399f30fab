"""The lab itself: what other system tests rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.system.world import CHECKOUT, World, host_state
from tests.waiting import wait_for


def test_the_host_is_the_same_after_a_world_as_before() -> None:
    before = host_state()
    world = World()
    touch = "touch /etc/x /run/x /var/lib/x /var/snap/x /root/x"
    world.run(["sh", "-c", f"{touch} && ip link add br0 type bridge"])
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
    assert holder.stdout.read() == ""  # end of file: no process holds the other end
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


def test_a_world_hides_what_the_host_keeps_where_leases_are_looked_for() -> None:
    """A host with the snaps of LXD and multipass, made here in a mount namespace of its own."""
    script = f"""
        if [ -d /var/snap ]; then mount -t tmpfs tmpfs /var/snap; else
            mount -t tmpfs tmpfs /mnt; mkdir /mnt/lib /mnt/snap /mnt/tmp
            mount --rbind /var/lib /mnt/lib; mount --rbind /mnt /var
        fi
        mkdir -p /var/snap/lxd/common; mount -t tmpfs tmpfs /var/snap/lxd/common
        touch /var/snap/lxd/common/leases
        {CHECKOUT}/packaging/world sh -c 'find /var/snap; mkdir -p /var/snap/lxd; echo /var/*'
        find /var/snap
    """
    unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]
    done = subprocess.run(unshare, capture_output=True, text=True, check=True)
    world, host = done.stdout.split("/var/snap\n", 1)
    assert world == ""
    assert host.startswith("/var/lib /var/snap")
    assert host.endswith("/var/snap/lxd\n/var/snap/lxd/common\n/var/snap/lxd/common/leases\n")


def test_a_world_does_not_have_the_networks_and_domains_of_the_host() -> None:
    """A host on which pyvirt is in use, made here in a mount namespace of its own."""
    script = f"""
        mount -t tmpfs tmpfs /mnt; cp -a /etc /mnt/; mount --bind /mnt/etc /etc
        mkdir -p /etc/pyvirt/networks; touch /etc/pyvirt/networks/lab.toml
        {CHECKOUT}/packaging/world pyvirt network list -o name
        ls /etc/pyvirt/networks
    """
    unshare = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script]
    done = subprocess.run(unshare, capture_output=True, text=True, check=True)
    assert done.stdout == "lab.toml\n"


PING = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)"


def test_a_plain_user_may_ping_without_a_capability(world: World) -> None:
    world.run(["python", "-c", PING], user="nobody")


def test_a_world_shows_the_rest_of_var(world: World) -> None:
    there = set(world.run(["ls", "/var"]).stdout.split())
    assert there == {path.name for path in Path("/var").iterdir()} | {"snap"}


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
