"""A lease of a real dnsmasq reaches every door, and all of them say the same; then it is gone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.system.world import Client, World

SETTINGS = """
[dns]
listen = ["127.0.0.1:5300"]
host = "hosta"
site = "example.org"
key = "site"
reverse = ["10.77.0.0/24"]
"""
# As systemd does for the sockets of the hook.
PASS = """
import os, socket, sys
os.umask(0)
sockets = [socket.socket(socket.AF_UNIX) for _ in range(20)][10:12]
for number, (name, made) in enumerate(zip(("names", "zones"), sockets)):
    made.bind(f"/run/leasewatch/{name}")
    made.listen()
    os.dup2(made.fileno(), 3 + number)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2",
               "LISTEN_FDNAMES": "resolve-names:resolve-zones"}
os.execvp(sys.argv[1], sys.argv[1:])
"""
# Ask every door for a name and an address, as its clients do.
ASK = """
import base64, json, socket, sys
import dns.message, dns.query, dns.rcode, dns.reversename, dns.xfr, dns.zone
from pathlib import Path
from leasewatch.dns import keys

NAME, ADDRESS = sys.argv[1:]
def dns_server(name, kind="A"):
    reply = dns.query.udp(dns.message.make_query(name, kind), "127.0.0.1", 20, 5300)
    return sorted(str(one) for rrset in reply.answer for one in rrset)
def zone(apex, kind):
    key = keys.load(Path("/etc/pyvirt/dns"), "site")
    found = dns.zone.Zone(apex)
    query, _ = dns.xfr.make_query(found, keyring={key.name: key})
    dns.query.inbound_xfr("127.0.0.1", found, query, 5300, 20, 20)
    return {str(name): str(data) for name, _, data in found.iterate_rdatas(kind)}
def hook(which, name, kind):
    call = {"method": "io.systemd.Resolve.Hook.ResolveRecord",
            "parameters": {"question": [{"key": {"class": 1, "type": kind, "name": name}}]}}
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(20)
        peer.connect(f"/run/leasewatch/{which}")
        peer.sendall(json.dumps(call).encode() + b"\\0")
        reply = b""
        while not reply.endswith(b"\\0"):
            reply += peer.recv(65536)
    found = json.loads(reply[:-1])["parameters"]
    raw = [base64.b64decode(one["raw"]) for one in found.get("answer") or ()]
    return [socket.inet_ntoa(one[-4:]) for one in raw]
def nss(name):
    try:
        return sorted({one[4][0] for one in socket.getaddrinfo(name, 0, socket.AF_INET)})
    except socket.gaierror:
        return []
print(json.dumps({
    "nss": nss(NAME),
    "dns": dns_server(NAME),
    "dns of its network": dns_server(f"{NAME}.lab.internal"),
    "dns reverse": dns_server(str(dns.reversename.from_address(ADDRESS)), "PTR"),
    "hook": hook("names", NAME, 1),
    "hook of its network": hook("zones", f"{NAME}.lab.internal", 1),
    "zone": zone("hosta.vm.example.org", "A"),
    "reverse zone": zone("0.77.10.in-addr.arpa", "PTR"),
}))
"""


@pytest.fixture
def guest(started_lab: World) -> Client:
    """A machine on the network, beside leasewatch and its DNS process."""
    world = started_lab
    world.run(["ip", "link", "set", "lo", "up"])
    world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=SETTINGS)
    world.run(["leasewatch", "dns", "key", "site"])
    world.serve("python", "-c", PASS)
    world.spawn(["leasewatch", "dns", "serve"])

    def is_up() -> bool:
        status = world.run(["leasewatch", "dns", "-o", "json"], check=False)
        return status.returncode == 0 and bool(json.loads(status.stdout)["follows"])

    world.wait_for("the DNS process", is_up)
    return world.client("web1", "pv-lab")


def test_a_lease_is_in_every_door_and_all_say_the_same(started_lab: World, guest: Client) -> None:
    address = guest.dhcp("web1")

    def asked() -> dict[str, Any]:
        asking = ["python", "-c", ASK, "web1", address]
        found: dict[str, Any] = json.loads(started_lab.run(asking).stdout)
        return found

    def becomes(wanted: dict[str, Any]) -> Callable[[], bool]:
        return lambda: asked() == wanted

    name = "web1.lab.hosta.vm.example.org."
    there = {door: [address] for door in asked()} | {
        "dns reverse": ["web1.lab.internal."],
        "zone": {"web1.lab": address},
        "reverse zone": {address.rpartition(".")[2]: name},
    }
    started_lab.wait_for("every door to have the name", becomes(there))
    guest.release()
    gone: dict[str, Any] = {door: [] for door in there} | {"zone": {}, "reverse zone": {}}
    started_lab.wait_for("every door to have lost it", becomes(gone))
