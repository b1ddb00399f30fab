"""What tests of IPv6 at the network `lab` share: machines that speak, and what is known of them."""

from __future__ import annotations

import ast
import ipaddress
import json
import socket
import time

from nss_pyvirt import snapshot
from tests.system.domains import BRIDGE
from tests.system.world import Client, World

MAC = "52:54:00:00:66:01"
OTHER_MAC = "52:54:00:00:66:02"
EUI64 = 0x505400FFFE006601
LINK_LOCAL = "fe80::5054:ff:fe00:6601"
DOMAINS = "/run/pyvirt/domains"
TABLE = "run/leasewatch/hosts.v1"
GETADDRINFO = """
import socket, sys
for family, _, _, _, address in socket.getaddrinfo(sys.argv[1], 0, type=socket.SOCK_STREAM):
    print(repr((address[0].partition("%")[0], address[3] if len(address) > 2 else 0)))
"""
SPEAK_FROM = """
import socket, sys
for address in sys.argv[2:]:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        sock.sendto(b"", (sys.argv[1], 9))
"""


def run_domain(world: World, name: str, mac: str, wait: int = 0) -> None:
    """A running domain `name` owns `mac` from now on, as `pyvirt domain run` would write it."""
    now = time.time()
    state = {
        "name": name,
        "nics": [{"network": "lab", "mac": mac, "tap": ""}],
        "pid": 1,
        "started": now,
        "pending_until": int(now) + wait,
    }
    world.run(["mkdir", "-p", DOMAINS])
    world.run(["tee", f"{DOMAINS}/.new"], input=json.dumps(state))
    world.run(["mv", f"{DOMAINS}/.new", f"{DOMAINS}/{name}.json"])


def stop_domain(world: World, name: str) -> None:
    world.run(["rm", f"{DOMAINS}/{name}.json"])


def within(world: World, interface: int) -> str:
    """An address of the network's /64; the host's own is the first."""
    state = json.loads(world.run(["cat", "/run/pyvirt/networks/lab.json"]).stdout)
    return str(ipaddress.ip_network(state["subnets"][1])[interface])


def host6(world: World) -> str:
    """The host's own global address on the bridge."""
    return within(world, 1)


def told(world: World, name: str) -> set[tuple[str, int]]:
    """Addresses and scopes that getaddrinfo() gives; none where it knows no such name."""
    shown = world.run(["python", "-c", GETADDRINFO, name], check=False).stdout
    return {ast.literal_eval(line) for line in shown.splitlines()}


def holds(world: World, name: str) -> set[tuple[str, int]]:
    """Addresses and scopes of its published record, that have not ended."""
    hosts = snapshot.read(world.root / TABLE).hosts
    found = [address for host in hosts if name in host.names for address in host.addresses]
    return {
        (socket.inet_ntop(address.family, address.packed), address.ifindex)
        for address in found
        if address.expires > time.time()
    }


def knows(world: World, name: str) -> set[str]:
    """The addresses without scopes."""
    return {address for address, _ in holds(world, name)}


def add(client: Client, *address: str) -> None:
    client.run(["ip", "address", "add", *address, "dev", "eth0"])


def speak(client: Client, to: str, *options: str) -> None:
    """Something to the host, so that the host must know where to answer."""
    client.run(["ping", "-c", "1", "-W", "5", *options, to])


def globals6(client: Client) -> set[str]:
    """Its global IPv6 addresses, once all of them may be used (RFC 4862)."""
    tentative = ["ip", "-6", "address", "show", "dev", "eth0", "tentative"]
    if client.run(tentative).stdout:
        return set()
    return {address for address in client.addresses if ":" in address}


def bridge_index(world: World) -> int:
    (link,) = json.loads(world.run(["ip", "-json", "link", "show", BRIDGE]).stdout)
    return int(link["ifindex"])
