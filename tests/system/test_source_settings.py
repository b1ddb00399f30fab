"""`[[source]]` of the settings: Kea's file under its owner's name, for guests of two bridges."""

from __future__ import annotations

from tests.system.asking import finds
from tests.system.world import World

FILE = "/var/lib/vyos/dhcp4-leases.csv"
SETTINGS = f"""
[[source]]
path = "{FILE}"
network = "office"
bridge = ["br0", "br1"]
"""
LEASES = """\
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state
10.0.0.5,52:54:00:00:00:05,,600,4102444800,1,0,0,web5.example.org,0
10.1.0.6,52:54:00:00:00:06,,600,4102444800,2,0,0,web6.example.org.,0
"""
BRIDGES = """
for n in 0 1; do
    ip link add br$n type bridge
    ip address add 10.$n.0.1/24 dev br$n
    ip address add fd0$n::1/64 dev br$n nodad
    ip link set br$n up
done
"""


def test_guests_of_each_bridge_answer_with_what_they_use_there(world: World) -> None:
    world.run(["sh", "-ec", BRIDGES])
    world.run(["mkdir", "-p", "/var/lib/vyos"])
    world.run(["tee", FILE], input=LEASES)
    world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=SETTINGS)
    world.serve()
    for n, guest in ((0, 5), (1, 6)):
        machine = world.client(f"web{guest}", f"br{n}", f"52:54:00:00:00:0{guest}")
        for address in (f"10.{n}.0.{guest}/24", f"fd0{n}::{guest}/64"):
            machine.run(["ip", "address", "add", address, "dev", "eth0", "nodad"])
        machine.run(["ping", "-c1", "-W5", f"fd0{n}::1"])
        world.wait_for(
            f"web{guest}'s own IPv6 address",
            lambda: f"fd0{n}::{guest}" in finds(world, f"web{guest}", 6),  # noqa: B023
        )
        assert finds(world, f"web{guest}") == [f"10.{n}.0.{guest}"]
    shown = world.run(["leasewatch", "sources"]).stdout
    assert any("kea" in line and FILE in line for line in shown.splitlines())
