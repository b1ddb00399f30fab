"""What the destination of a migration publishes: nothing while a guest arrives, then its name."""

from __future__ import annotations

import json
import time

import msgspec
import pytest

from leasewatch.model import ARRIVING, DomainState, Nic
from tests.system.asking import finds
from tests.system.domains import pyvirt
from tests.system.world import Client, World

MAC = "52:54:00:00:00:42"
V4, V6 = "10.9.0.42", "fd09::42"
_SET_UP = """
ip link add br0 type bridge
ip link set br0 up
ip address add 10.9.0.2/24 dev br0
ip address add fd09::2/64 dev br0 nodad
"""
_ANNOUNCE = f"""
from leasewatch.paths import Paths
from leasewatch.pyvirt.migration import names

card = names.Card(network="lan", mac="{MAC}", joined=True, addresses=("{V4}", "{V6}"))
names.announce(Paths(), [card])
"""


@pytest.fixture
def destination(world: World) -> World:
    """A host with the bridged network lan, where web1 arrives."""
    world.run(["sh", "-ec", _SET_UP])
    pyvirt(world, "network", "create", "lan", "--bridge", "br0")
    pyvirt(world, "network", "start", "lan")
    world.serve()
    write(world, ARRIVING, "from kvm1")
    return world


def write(world: World, state: str, why: str = "") -> None:
    """Write the run state of web1, whose parent is the process 1 of the world."""
    running = DomainState(
        name="web1",
        aliases=("www",),
        nics=(Nic("lan", MAC, "pvtap9"),),
        pid=1,
        started=time.time(),
        pending_until=0,
        state=state,
        why=why,
    )
    world.run(["mkdir", "-p", "/run/pyvirt/domains"])
    made = "cat >/run/pyvirt/domains/.new && mv /run/pyvirt/domains/.new $0"
    file = "/run/pyvirt/domains/web1.json"
    world.run(["sh", "-c", made, file], input=msgspec.json.encode(running).decode())


def guest(world: World) -> Client:
    """The guest, which has its addresses and says nothing by itself."""
    made = world.client("guest", "br0", mac=MAC)
    for address in (f"{V4}/24", f"{V6}/64"):
        made.run(["ip", "address", "add", address, "dev", "eth0", "nodad"])
    return made


def entries(world: World) -> dict[str, list[str]]:
    """The kernel's states of the guest's addresses."""
    shown = json.loads(world.run(["ip", "-json", "neighbour", "show", "dev", "br0"]).stdout)
    return {one["dst"]: one["state"] for one in shown if one.get("lladdr") == MAC}


def test_a_domain_that_arrives_has_no_name_and_commands_say_so(destination: World) -> None:
    destination.run(["python", "-c", _ANNOUNCE])
    (row,) = json.loads(pyvirt(destination, "domain", "list", "-o", "json").stdout)
    assert (row["name"], row["state"], row["why"]) == ("web1", "arriving", "from kvm1")
    assert "arriving" in pyvirt(destination, "domain", "list").stdout
    for act in ("start", "stop", "delete", "pause", "show"):
        done = destination.run(["pyvirt", "domain", act, "web1"], check=False)
        if act != "show":
            assert "domain web1 has not arrived yet: from kvm1" in done.stderr, (act, done.stderr)
            assert done.returncode == 1
    assert finds(destination, "web1") == []


def test_an_address_is_published_before_the_guest_speaks_and_then_asked_for(
    destination: World,
) -> None:
    destination.run(["python", "-c", _ANNOUNCE])
    write(destination, "running")
    destination.wait_for("the address", lambda: finds(destination, "web1") == [V4], 20)
    destination.wait_for("its IPv6 address", lambda: finds(destination, "www", 6) == [V6], 20)
    guest(destination)
    destination.run(["python", "-c", _ANNOUNCE])
    states = {V4: ["REACHABLE"], V6: ["REACHABLE"]}
    destination.wait_for("answers", lambda: entries(destination) == states, 20)
    destination.run(["ip", "-n", "guest", "link", "set", "eth0", "down"])
    destination.run(["python", "-c", _ANNOUNCE])
    destination.wait_for("no answer", lambda: entries(destination) == {}, 20)
