"""A network forwards what its guests send from its own addresses, and nothing from any other."""

from __future__ import annotations

import json

import pytest

from tests.system.networks import family, joined, outside, prefix6, reaches, started
from tests.system.world import Client, World

FORGED = {
    "203.0.113.7": "a public address",
    "10.78.0.9": "one of another network",
    "10.77.1.0": "the first beyond the subnet",
    "192.0.2.77": "one of the outside's own",
    "2001:db8:7::7": "a public IPv6 address",
    "fd12:3456:789a::7": "a ULA of others",
    "2001:db8::77": "one of the outside's own IPv6",
}
BEYOND = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
"""By family the world's address and that of the machine outside."""
REJECTS = ("icmp type destination-unreachable", "icmpv6 type destination-unreachable")


def beyond(world: World) -> Client:
    """The machine outside, with IPv6; it and the world are each other's default router."""
    machine = outside(world)
    world.run(["ip", "address", "add", f"{BEYOND[6][0]}/64", "dev", "uplink", "nodad"])
    machine.run(["ip", "address", "add", f"{BEYOND[6][1]}/64", "dev", "eth0", "nodad"])
    for number, (host, outer) in BEYOND.items():
        machine.run(["ip", f"-{number}", "route", "add", "default", "via", host])
        world.run(["ip", f"-{number}", "route", "add", "default", "via", outer])
    return machine


def forge(guest: Client, source: str, target: str) -> None:
    """One packet, and nothing of it in the guest's own way afterwards."""
    address = f"{source}/{128 if family(source) == 6 else 32}"
    guest.run(["ip", "address", "add", address, "dev", "eth0", "nodad"])
    guest.run(["ping", "-n", "-c1", "-W0.2", "-I", source, target], check=False)
    guest.run(["ip", "address", "delete", address, "dev", "eth0"])


def count(machine: Client) -> None:
    """From now on, all that must not arrive."""
    sources = [f"{'ip6' if family(each) == 6 else 'ip'} saddr {each}" for each in FORGED]
    rules = "".join(f"iifname eth0 {what} counter\n" for what in (*sources, *REJECTS))
    chain = f"chain seen {{\ntype filter hook prerouting priority 0\n{rules}}}\n"
    machine.run(["nft", "-f", "-"], input=f"table inet seen {{\n{chain}}}\n")


def arrived(machine: Client) -> list[str]:
    """What was counted."""
    listed = machine.run(["nft", "list", "table", "inet", "seen"]).stdout.splitlines()
    return [line.strip() for line in listed if "counter" in line and "packets 0 " not in line]


def test_no_forged_source_gets_out_of_a_nat_network(world: World) -> None:
    started(world, "lab")
    machine, guest = beyond(world), joined(world, "lab", 7)
    count(machine)
    for source in FORGED:
        forge(guest, source, BEYOND[family(source)][1])
    for _, target in BEYOND.values():
        assert reaches(guest, target), "what was sent before it has arrived before it"
    assert arrived(machine) == []


@pytest.mark.parametrize("source", [outer for _, outer in BEYOND.values()])
def test_no_reject_answers_a_forged_source(world: World, source: str) -> None:
    """From an isolated network, and to another network, whose own table would reject it."""
    started(world, "older", "--subnet", "10.78.0.0/24")
    started(world, "lab", "--subnet", "10.77.0.0/24", "--mode", "isolated")
    started(world, "natted", "--subnet", "10.79.0.0/24")
    machine = beyond(world)
    count(machine)
    others = {4: ("10.78.0.9", "198.51.100.9"), 6: (f"{prefix6(world, 'older')}::9", "2001:db9::9")}
    guests = [joined(world, network, 7) for network in ("lab", "natted")]
    for guest in guests:
        for target in others[family(source)]:
            forge(guest, source, target)
    assert reaches(guests[1], source)
    assert arrived(machine) == []


def test_what_is_sent_from_a_networks_own_addresses_passes(world: World) -> None:
    started(world, "lab")
    beyond(world)
    web, db = joined(world, "lab", 7), joined(world, "lab", 8)
    for target in (*(outer for _, outer in BEYOND.values()), *db.addresses):
        assert reaches(web, target), target


SEEK = """
import socket, sys
to, first, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM) as out:
    for number in range(first, end):
        out.sendto(b"", (to % number, 9))
"""


def test_a_guest_fills_no_neighbour_table_from_inside(world: World) -> None:
    """By sending to all that is near the host elsewhere, as it scans a network."""
    started(world, "lab")
    beyond(world)
    web, db = joined(world, "lab", 7), joined(world, "lab", 8)
    for number, to, first, end in ((6, "2001:db8::7:%x", 1, 3000), (4, "192.0.2.%d", 3, 255)):
        web.run(["python3", "-c", SEEK, to, str(first), str(end)])
        show = ["ip", "-json", f"-{number}", "neighbour", "show", "nud", "all", "dev", "uplink"]
        sought = [one for one in json.loads(world.run(show).stdout) if one["state"] != ["NOARP"]]
        assert len(sought) < 240, number
        assert reaches(db, BEYOND[number][1])


def test_what_leaves_by_a_tunnel_has_no_neighbours(world: World) -> None:
    started(world, "lab")
    web = joined(world, "lab", 7)
    world.run(["ip", "tuntap", "add", "vpn", "mode", "tun"])
    world.run(["ip", "link", "set", "vpn", "up"])
    world.run(["ip", "route", "add", "203.0.0.0/16", "dev", "vpn"])
    passed = (
        "table inet seen { chain passed { type filter hook postrouting priority 0; counter; }; }"
    )
    world.run(["nft", "-f", "-"], input=passed.replace("counter", 'oifname "vpn" counter'))
    web.run(["python3", "-c", SEEK, "203.0.113.%d", "1", "255"])
    assert "packets 254 " in world.run(["nft", "list", "table", "inet", "seen"]).stdout
