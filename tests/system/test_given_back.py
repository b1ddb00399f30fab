"""A lease that was given back ends what the bridge saw at its address; the machine may stay."""

from __future__ import annotations

import signal

from tests.system.world import Client, World

LEASES = "/var/lib/misc/dnsmasq.leases"
MAC = "52:54:00:00:77:01"
IPV4, IPV6 = "10.8.0.11", "fd08::11"
LINE = f"4102444800 {MAC} {IPV4} * *\n"
SETTINGS = f"""
[[source]]
path = "{LEASES}"
network = "office"
bridge = "br9"
[[host]]
name = "printer"
mac = "{MAC}"
network = "office"
"""
SET_UP = """
ip link add br9 address 52:54:00:00:77:fe type bridge  # else a port's, and that changes
ip addr add 10.8.0.1/24 dev br9
ip addr add fd08::1/64 dev br9 nodad
ip link set br9 up
for family in ipv4 ipv6; do  # a kernel in a hurry
    echo 500 >/proc/sys/net/$family/neigh/br9/base_reachable_time_ms
    echo 1 >/proc/sys/net/$family/neigh/br9/delay_first_probe_time
done
mkdir -p /etc/pyvirt /var/lib/misc
"""


def lease(world: World, *lines: str) -> None:
    world.run(["tee", LEASES], input="".join(lines))


def answer(world: World) -> set[str]:
    done = world.run(["leasewatch", "ip", "printer"], check=False)
    return {line.partition("%")[0] for line in done.stdout.split() if not line.startswith("fe80")}


def plug_in(world: World) -> Client:
    """The machine is there and has spoken from both addresses."""
    machine = world.client("printer", "br9", mac=MAC)
    machine.run(["ip", "addr", "add", f"{IPV4}/24", "dev", "eth0"])
    machine.run(["ip", "addr", "add", f"{IPV6}/64", "dev", "eth0", "nodad"])
    lease(world, LINE)
    machine.run(["ping", "-c", "1", "-W", "9", "10.8.0.1"])
    machine.run(["ping", "-6", "-c", "1", "-W", "9", "fd08::1"])
    world.wait_for("both addresses", lambda: answer(world) == {IPV4, IPV6})
    return machine


def unplug(world: World) -> None:
    world.run(["ip", "netns", "delete", "printer"])
    world.wait_for(
        "the machine to be gone",
        lambda: "v-printer" not in world.run(["ip", "-brief", "link"]).stdout,
    )


def test_a_lease_given_back_ends_the_name_of_a_machine_that_is_gone_restarts_included(
    world: World,
) -> None:
    world.run(["sh", "-ec", SET_UP])
    world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=SETTINGS)
    lease(world)
    service = world.serve()
    world.client("other", "br9")  # without any port the kernel forgets all neighbours
    machine = plug_in(world)

    # The machine gives its IPv4 lease back and stays.
    machine.run(["ip", "addr", "del", f"{IPV4}/24", "dev", "eth0"])
    lease(world)
    world.wait_for("IPv6 alone", lambda: answer(world) == {IPV6})

    # It comes again, and is gone while no service runs.
    unplug(world)
    plug_in(world)
    world.signal(service, signal.SIGTERM)
    service.wait(60)
    lease(world)
    unplug(world)
    service = world.serve()
    assert IPV4 not in answer(world)
    world.wait_for("nothing", lambda: answer(world) == set())

    # What it said before the next restart is not believed after it, either.
    world.signal(service, signal.SIGTERM)
    service.wait(60)
    world.serve()
    assert IPV4 not in answer(world)
