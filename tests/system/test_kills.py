"""SIGKILL at any moment, of the service, of dnsmasq within its rewrites, of libvirt's processes.

The moments are drawn from a seed, so that each run has the same; observer.py watches all the while.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from subprocess import Popen

import pytest

from tests.system.asking import finds
from tests.system.observer import Observer, Said
from tests.system.rewriter import Versions
from tests.system.rewriting import await_version, start_writer, stop_writer, write_first
from tests.system.world import World

TABLE = "run/leasewatch/hosts.v1"
LEASES = "/var/lib/pyvirt/leases/lab.leases"
NETWORK = "/run/pyvirt/networks/lab.json"
COUNT = 2_000


def kill_services(world: World, rounds: int) -> None:
    """Start the service again and again beside a writer, and kill it after a while each time."""
    dice = random.Random(rounds)
    versions = Versions(500, int(time.time()) + 3600)
    write_first(world, versions)
    service = world.serve()
    await_version(world, versions, 0)
    with Observer(world.root / TABLE, versions) as seen:
        writer = start_writer(world, versions, "dnsmasq", pause=0.01)
        for _ in range(rounds):
            time.sleep(dice.uniform(0, 1.5))
            world.signal(service, signal.SIGKILL)
            service.wait(30)
            service = world.start_service()
        last = stop_writer(world, writer)
        await_version(world, versions, last)
    assert seen.generations > 1


def test_a_service_killed_at_any_moment_of_its_life_loses_no_name(world: World) -> None:
    kill_services(world, 8)


@pytest.mark.long
def test_a_service_killed_two_hundred_times_loses_no_name(world: World) -> None:
    kill_services(world, 200)


def guest(number: int) -> str:
    """The address of a lease that is there from the start."""
    return f"10.50.{16 + (number >> 8)}.{number & 255}"


def client(turn: int) -> tuple[str, str]:
    """Hardware address and address of a client that comes later."""
    return f"02:00:00:00:00:{turn:02x}", f"10.50.1.{turn}"


@pytest.fixture
def lab(world: World) -> World:
    """A network whose dnsmasq needs 24 writes for its 2,000 leases, and the service."""
    world.run(["pyvirt", "network", "create", "lab", "--subnet", "10.50.0.0/16"])
    later = int(time.time()) + 3600
    lines = [
        f"{later} 52:54:00:50:{n >> 8:02x}:{n & 255:02x} {guest(n)} vm{n} *\n" for n in range(COUNT)
    ]
    world.run(["mkdir", "-p", LEASES.rpartition("/")[0]])
    (world.root / LEASES[1:]).write_text("".join(lines))
    world.run(["pyvirt", "network", "start", "lab"])
    cards = "".join(f"{','.join(client(turn))}\n" for turn in range(256))
    world.run(["tee", "/run/pyvirt/networks/lab/hosts.d/clients"], input=cards)
    world.serve()
    return world


def state(world: World) -> dict[str, int]:
    """The network's run state."""
    found: dict[str, int] = json.loads((world.root / NETWORK[1:]).read_text())
    return found


def dnsmasq(world: World) -> int:
    """The pid of the network's dnsmasq, 0 if there is none."""
    return state(world)["dnsmasq_pid"]


STALL = 1.0
"""Seconds for which dnsmasq stands still within a rewrite, as on a busy host."""


def stall_and_kill(world: World, victim: int, strace: Popen[str]) -> None:
    """Kill `victim` once it has stood still for a while at the call where strace stops it."""
    assert strace.stderr
    assert any("stopped by SIGSTOP" in line for line in strace.stderr)
    time.sleep(STALL)
    world.run(["kill", "-KILL", str(victim)])


def kill_dnsmasq(world: World, rounds: int) -> None:
    """Kill it at one of its writes, each time that a new client has made it rewrite its file."""
    dice = random.Random(rounds)
    names = {f"vm{n}": {guest(n)} for n in range(COUNT)}
    later = {f"new{turn}": {client(turn)[1]} for turn in range(rounds)}
    with (
        Observer(world.root / TABLE, Said(names | later, always=names)),
        ThreadPoolExecutor() as pool,
    ):
        for turn in range(rounds):
            former = dnsmasq(world)
            at = dice.randrange(22) if turn else 0
            call = f"write:signal=SIGSTOP:when={at}" if at else "ftruncate:signal=SIGSTOP:when=1"
            strace = world.spawn(
                ["strace", "-p", str(former), "-e", f"inject={call}"], stderr=subprocess.PIPE
            )
            assert strace.stderr
            assert "attached" in strace.stderr.readline()
            killing = pool.submit(stall_and_kill, world, former, strace)
            try:
                world.client(f"c{turn}", "pv-lab", client(turn)[0]).dhcp(f"new{turn}", timeout=60)
                killing.result(30)
                strace.wait(30)
            finally:
                strace.kill()  # ends `stall_and_kill`, too
            world.wait_for("another dnsmasq", lambda: dnsmasq(world) not in {0, former})  # noqa: B023
            world.wait_for(f"new{turn}", lambda: finds(world, f"new{turn}"))  # noqa: B023
    text = (world.root / LEASES[1:]).read_text()
    assert all(f" vm{n} " in text for n in range(COUNT))


def test_dnsmasq_killed_within_its_rewrites_loses_no_name_and_no_lease(lab: World) -> None:
    kill_dnsmasq(lab, 3)


def test_a_networks_parent_killed_at_any_moment_loses_no_name_and_no_lease(lab: World) -> None:
    dice = random.Random(3)
    names = {f"vm{n}": {guest(n)} for n in range(COUNT)}
    later = {f"new{turn}": {client(turn)[1]} for turn in range(3)}
    with Observer(lab.root / TABLE, Said(names | later, always=names)):
        for turn in range(3):
            lab.run(["kill", "-KILL", str(state(lab)["pid"])])
            time.sleep(dice.uniform(0, 1))
            lab.run(["pyvirt", "network", "start", "lab"], timeout=60)
            lab.client(f"c{turn}", "pv-lab", client(turn)[0]).dhcp(f"new{turn}", timeout=60)
            lab.wait_for(f"new{turn}", lambda: finds(lab, f"new{turn}"))  # noqa: B023
    text = (lab.root / LEASES[1:]).read_text()
    assert all(f" vm{n} " in text for n in range(COUNT))


def test_a_network_starts_only_once_the_dnsmasq_of_its_killed_parent_is_gone(lab: World) -> None:
    names = {f"vm{n}": {guest(n)} for n in range(COUNT)}
    former = dnsmasq(lab)
    with Observer(lab.root / TABLE, Said(names, always=names)):
        lab.run(["kill", "-STOP", str(former)])  # it gets SIGTERM, but cannot end yet
        lab.run(["kill", "-KILL", str(state(lab)["pid"])])
        start = lab.spawn(["pyvirt", "network", "start", "lab"])
        with pytest.raises(subprocess.TimeoutExpired):
            start.wait(1.5)
        lab.run(["kill", "-CONT", str(former)])
        assert start.wait(60) == 0
    assert dnsmasq(lab) not in {0, former}


@pytest.mark.long
def test_dnsmasq_killed_a_hundred_times_within_its_rewrites_loses_no_name(lab: World) -> None:
    kill_dnsmasq(lab, 100)
