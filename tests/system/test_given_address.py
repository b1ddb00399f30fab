"""The address that the owner gave a card is asked for: a guest may set it and say nothing."""

from __future__ import annotations

import json
import time

from tests.system.world import World

PRINTER, WEB = "52:54:00:00:77:01", "52:54:00:00:77:02"
SETTINGS = f"""
[[source]]
path = "/var/lib/misc/dnsmasq.leases"
network = "office"
bridge = "br9"
[[host]]
name = "printer"
mac = "{PRINTER}"
network = "office"
address = "10.8.0.11"
[[host]]
name = "printer6"
mac = "{WEB}"
network = "office"
address = "fd08::12"
"""
SET_UP = """
ip link add br9 type bridge
ip addr add 10.8.0.1/24 dev br9
ip addr add fd08::1/64 dev br9 nodad
ip link set br9 up
mkdir -p /etc/pyvirt /var/lib/misc /run/pyvirt/domains
"""


def silent(world: World, name: str, mac: str, *addresses: str) -> None:
    """A machine that sets its addresses and sends nothing by itself."""
    machine = world.client(name, "br9", mac=mac)
    machine.run(["ip", "link", "set", "eth0", "down", "addrgenmode", "none"])
    for address in addresses:
        nodad = ["nodad"] if ":" in address else []
        machine.run(["ip", "addr", "add", address, "dev", "eth0", *nodad])
    machine.run(["ip", "link", "set", "eth0", "up"])


def answer(world: World, name: str) -> set[str]:
    done = world.run(["leasewatch", "ip", name], check=False)
    return {line for line in done.stdout.split() if not line.startswith("fe80")}


def test_a_machine_that_sets_its_address_itself_answers_to_its_name_without_a_word(
    world: World,
) -> None:
    world.run(["sh", "-ec", SET_UP])
    world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=SETTINGS)
    silent(world, "printer", PRINTER, "10.8.0.11/24")
    world.serve()
    world.wait_for("the printer", lambda: answer(world, "printer") == {"10.8.0.11"})

    # A domain whose guest takes its addresses after a while; its card is a [[host]]'s, too.
    nics = [{"network": "office", "mac": WEB, "tap": "", "address": "10.8.0.12"}]
    state = {"name": "web1", "nics": nics, "pid": 1, "started": time.time(), "pending_until": 0}
    world.run(["tee", "/run/pyvirt/domains/.new"], input=json.dumps(state))
    world.run(["mv", "/run/pyvirt/domains/.new", "/run/pyvirt/domains/web1.json"])
    silent(world, "web1", WEB, "10.8.0.12/24", "fd08::12/64")
    world.wait_for("web1", lambda: answer(world, "web1") >= {"10.8.0.12"})
    assert answer(world, "printer6") >= {"10.8.0.12"}
