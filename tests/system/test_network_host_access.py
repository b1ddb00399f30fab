"""What guests reach of the host, by default and without access to it."""

from __future__ import annotations

import json

import pytest

from tests.system.dhcpv6 import ask_v6
from tests.system.networks import family, joined, prefix6, started
from tests.system.world import Client, World

SERVE = """
import socket, threading
def echo(sock):
    while True:
        data, peer = sock.recvfrom(99)
        sock.sendto(data, peer)
tcp = socket.create_server(("::", 22), family=socket.AF_INET6, dualstack_ipv6=True)
udp = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
udp.bind(("::", 5353))
threading.Thread(target=echo, args=(udp,), daemon=True).start()
print("ready", flush=True)
while True:
    peer, _ = tcp.accept()
    peer.sendall(b"hello")
    peer.close()
"""
ASK = """
import socket, sys
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as sock:
    sock.settimeout(float(sys.argv[4]))
    if kind == "tcp":
        sock.connect((host, port))
    else:
        sock.sendto(b"hello", (host, port))
    print(sock.recv(99) == b"hello")
"""


def serve(world: World) -> None:
    """Services of the host on all of its addresses, one of them beyond any network."""
    world.run(["ip", "link", "add", "lan", "type", "bridge"])
    world.run(["ip", "address", "add", "192.0.2.1/24", "dev", "lan"])
    server = world.spawn(["python", "-c", SERVE], stdout=-1)
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"


def served(guest: Client, kind: str, host: str, seconds: float) -> bool:
    port = "22" if kind == "tcp" else "5353"
    asked = guest.run(["python3", "-c", ASK, kind, host, port, str(seconds)], check=False)
    return asked.stdout == "True\n"


@pytest.mark.parametrize("mode", ["nat", "isolated"])
def test_guests_without_access_reach_dhcp_dns_and_icmp_of_the_host_alone(
    world: World, mode: str
) -> None:
    started(world, "closed", "--mode", mode, "--subnet", "10.78.0.0/24", "--no-host-access")
    started(world, "open", "--mode", mode, "--subnet", "10.79.0.0/24")
    serve(world)
    names = {"closed": "10.78.0.1", "open": "10.79.0.1"}
    guests = {name: joined(world, name, 7) for name in names}
    for name, guest in guests.items():
        own = (names[name], f"{prefix6(world, name)}::1")
        for host in (*own, "192.0.2.1"):
            for kind in ("tcp", "udp"):
                seconds = 0.3 if name == "closed" else 10
                assert served(guest, kind, host, seconds) == (name == "open"), (name, kind, host)
        for host in own:
            assert guest.run(["ping", "-c1", "-W10", host]).returncode == 0
        found = guest.run(["busybox", "nslookup", f"{name}.{name}.internal", own[0]], check=False)
        assert "NXDOMAIN" in found.stdout
    assert ask_v6(guests["closed"], "web").startswith(prefix6(world, "closed"))
    (address,) = (each for each in guests["closed"].addresses if family(each) == 4)
    assert world.run(["ping", "-c1", "-W10", address]).returncode == 0


def test_definitions_without_the_key_load_and_the_key_is_shown(world: World) -> None:
    world.run(["pyvirt", "network", "create", "lab", "--no-host-access"])
    show = ["pyvirt", "network", "show", "lab"]
    assert json.loads(world.run([*show, "-o", "json"]).stdout)[0]["host_access"] is False
    assert "guests reach only DHCP, DNS and ICMP of the host" in world.run(show).stdout
    world.run(["sed", "-i", "/host_access/d", "/etc/pyvirt/networks/lab.toml"])
    assert json.loads(world.run([*show, "-o", "json"]).stdout)[0]["host_access"] is True
    assert "guests reach only" not in world.run(show).stdout
    world.run(["sh", "-c", "echo 'host_access = 1' >>/etc/pyvirt/networks/lab.toml"])
    wrong = world.run(show, check=False)
    assert wrong.returncode == 1
    assert "host_access" in wrong.stderr
