"""An address that dnsmasq has only offered belongs to no guest, though the kernel notes it."""

from __future__ import annotations

from pathlib import Path

from tests.system import forgery
from tests.system.asking import finds, has
from tests.system.own_dnsmasq import BRIDGE, FILE, MAC, NETWORK, client, dnsmasq
from tests.system.world import World

OFFERED = "10.9.0.101"
HOST = """[[host]]
name = "{name}"
mac = "{mac}"
network = "office"
"""
SETTINGS = f"""
[[source]]
path = "{FILE}"
network = "office"
bridge = "{BRIDGE}"
{HOST.format(name="web1", mac=MAC(1))}
{HOST.format(name="web2", mac=MAC(2))}
"""


def test_a_name_answers_once_its_guest_takes_the_address_and_not_when_it_is_offered(
    world: World, send_frames: Path
) -> None:
    world.run(["sh", "-ec", NETWORK])
    world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=SETTINGS)
    world.run(["install", send_frames, forgery.SEND])
    world.spawn(dnsmasq())
    world.serve()
    web1, web2 = client(world, 1), client(world, 2)

    discover = forgery.dhcp(
        forgery.DISCOVER, MAC(1), source=MAC(1), server="10.9.0.1", address="", broadcast=False
    )
    web1.run([forgery.SEND, "eth0", *discover])
    known = ["ip", "neighbour", "show", OFFERED]
    world.wait_for("the offer", lambda: MAC(1) in world.run(known).stdout)
    web2.run(["ip", "address", "add", "fd09::2/64", "dev", "eth0", "nodad"])
    web2.run(["ping", "-c1", "-W10", "fd09::1"])
    world.wait_for("what came after the offer", lambda: "fd09::2" in finds(world, "web2", 6))
    assert finds(world, "web1") == []

    web1.dhcp("web1")
    has(world, "web1", OFFERED)

    # Who leases nothing is found, too, a little later.
    web2.run(["ip", "address", "add", "10.9.0.50/24", "dev", "eth0"])
    web2.run(["ping", "-c1", "-W10", "10.9.0.1"])
    has(world, "web2", "10.9.0.50")
