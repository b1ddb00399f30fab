"""Whose IPv6 address the host has seen: what links it, leased or not, to a domain."""

from __future__ import annotations

import ast

from tests.system.world import World

_ASK = """
from leasewatch import addresses
from leasewatch.neighbours import kernel

print({addresses.text(address): mac for address, mac in kernel.ipv6("br0").items()})
"""
_SET_UP = "ip link add br0 type bridge; ip link set br0 up; ip addr add fd00::1/64 dev br0 nodad"

_GET_TO_KNOW = """
import asyncio, time
from leasewatch import addresses
from leasewatch.neighbours.watch import NeighbourWatch
from leasewatch.model import Domain, Nic

async def known():
    told = []
    nics = (Nic("lab", "52:54:00:00:00:42"),)
    domain = Domain(name="web1", nics=nics, started=time.time() - 3600, pending_until=0)
    watch = NeighbourWatch(
        told.extend, lambda: None, lambda network, mac: False
    )
    for domains in ([], [domain]):
        watch.watch({"lab": ["br0"]}, domains, ["lab"])
    watch.stop()
    come = [change.new for change in told if change.new is not None]
    return [new.known for new in come if addresses.text(new.address) == "fd00::42"]

print(asyncio.run(known()))
"""


def speak(world: World) -> None:
    """Have a machine on the bridge say fd00::42."""
    machine = world.client("machine", "br0", mac="52:54:00:00:00:42")
    machine.run(["ip", "addr", "add", "fd00::42/64", "dev", "eth0", "nodad"])
    machine.run(["ping", "-6", "-c", "1", "-W", "5", "fd00::1"])


def test_an_address_is_known_by_the_mac_that_spoke_for_it(world: World) -> None:
    world.run(["sh", "-ec", _SET_UP])
    assert "fd00::42" not in ast.literal_eval(world.run(["python", "-c", _ASK]).stdout)
    speak(world)
    seen = ast.literal_eval(world.run(["python", "-c", _ASK]).stdout)
    assert seen["fd00::42"] == "52:54:00:00:00:42"
    world.run(["ip", "link", "delete", "br0"])
    assert ast.literal_eval(world.run(["python", "-c", _ASK]).stdout) == {}


def test_a_mac_that_spoke_before_its_domain_was_heard_of_is_known_at_once(world: World) -> None:
    world.run(["sh", "-ec", _SET_UP])
    speak(world)
    assert ast.literal_eval(world.run(["python", "-c", _GET_TO_KNOW]).stdout) == [False, True]
