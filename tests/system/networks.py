"""Networks of a world: started, killed, and machines on their other side."""

from __future__ import annotations

import json
import re
from subprocess import PIPE, Popen

from tests.system.world import CHECKOUT, Client, World

LAB = "pv-lab"


def defined(world: World, name: str = "lab", *options: str) -> None:
    world.run(["pyvirt", "network", "create", name, *options])


def started(world: World, name: str = "lab", *options: str) -> None:
    defined(world, name, *options)
    world.run(["pyvirt", "network", "start", name])


def state(world: World, name: str = "lab") -> dict[str, int]:
    text = world.run(["cat", f"/run/pyvirt/networks/{name}.json"]).stdout
    found: dict[str, int] = json.loads(text)
    return found


def kill(world: World, pid: int, number: str = "-KILL") -> None:
    world.run(["kill", number, str(pid)])
    if number == "-KILL":
        world.wait_for(f"process {pid} to be gone", lambda: not alive(world, pid))


def alive(world: World, pid: int) -> bool:
    return world.run(["kill", "-0", str(pid)], check=False).returncode == 0


HOLD = """
import sys
from pathlib import Path
from leasewatch.files import locks as place
place.ProcessLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
sys.stdin.read()
"""


def run_domain(world: World, name: str, network: str, tap: str, start: int) -> Popen[str]:
    """As `pyvirt domain run` would: it runs until the process that is returned ends."""
    domain = {
        "name": name,
        "nics": [{"network": network, "mac": f"52:54:00:00:00:0{start}", "tap": tap}],
        "pid": 1,
        "started": start,
        "pending_until": 1,
    }
    write = f"mkdir -p /run/pyvirt/domains && cat > /run/pyvirt/domains/{name}.json"
    world.run(["sh", "-c", write], input=json.dumps(domain))
    hold = [f"{CHECKOUT}/.venv/bin/python", "-c", HOLD, f"/run/pyvirt/domains/{name}/lock"]
    holder = world.spawn(hold, stdin=PIPE, stdout=PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def outside(world: World) -> Client:
    """A machine on the world's other side, with no route to any guest but through the world."""
    world.run(["ip", "link", "add", "uplink", "type", "bridge"])
    world.run(["ip", "address", "add", "192.0.2.1/24", "dev", "uplink"])
    world.run(["ip", "link", "set", "uplink", "up"])
    machine = world.client("outside", "uplink")
    machine.run(["ip", "address", "add", "192.0.2.2/24", "dev", "eth0"])
    machine.run(["ip", "route", "add", "10.77.0.0/16", "via", "192.0.2.1"])
    return machine


def reaches(machine: Client, address: str, seconds: int = 10) -> bool:
    return machine.run(["ping", "-c1", f"-W{seconds}", address], check=False).returncode == 0


def family(address: str) -> int:
    return 6 if ":" in address else 4


def prefix6(world: World, network: str) -> str:
    shown = world.run(["ip", "-6", "-o", "address", "show", "dev", f"pv-{network}"]).stdout
    return str(re.findall(r"inet6 (fd\S+)::1/64", shown)[0])


def joined(world: World, network: str, number: int) -> Client:
    """A guest with an address of each family and default routes."""
    guest = world.client(f"{network}-{number}", f"pv-{network}")
    router = guest.dhcp().rpartition(".")[0] + ".1"
    prefix = prefix6(world, network)
    guest.run(["ip", "address", "add", f"{prefix}::{number}/64", "dev", "eth0", "nodad"])
    for each, via in ((4, router), (6, f"{prefix}::1")):
        guest.run(["ip", f"-{each}", "route", "replace", "default", "via", via])
    return guest
