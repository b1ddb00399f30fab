"""A network card speaks for its own MAC alone: real guests that lie, and what the host believes."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from leasewatch.addresses import interface_id
from tests.system import forgery
from tests.system.asking import finds
from tests.system.domains import (
    BRIDGE,
    LEASES,
    SERVER,
    define,
    define_idle,
    lease,
    mac_of,
    pyvirt,
    read,
    row,
    traces,
)
from tests.system.forgery import SEND
from tests.system.guest import GuestFiles
from tests.system.world import World

ADDRESS = "10.77.0.20"
FOREIGN = "52:54:00:00:00:99"

Sender = Callable[..., object]

LOCK_ALL = """
import fcntl, os, sys
for top in ("/run/pyvirt", "/etc/pyvirt"):
    for folder, _, files in os.walk(top):
        for name in (folder, *(os.path.join(folder, file) for file in files)):
            try:
                fcntl.flock(os.open(name, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
print("held", flush=True)
sys.stdin.read()
"""
NFT_WITHOUT_BRIDGES = """#!/bin/sh
case $(tee /run/asked) in
*'table bridge'*) echo '/dev/stdin:1:1-5: Error: Could not process rule: %s' >&2; exit 1 ;;
esac
exec /run/nft "$@" </run/asked
"""
NFT_THAT_LOOKS = """#!/bin/sh
ip -brief link >>/run/links
exec /run/nft "$@"
"""


@dataclass
class Town:
    """A started network with the domain web1, and machines on it that lie."""

    world: World
    guest: GuestFiles
    address: str
    """Of web1."""
    mac: str
    senders: dict[str, tuple[str, Sender]]
    """By kind of machine: its MAC, and what sends frames from it."""
    homes: set[str]
    """At which of their addresses these are reached: no other guest may lease them."""
    honest: Iterator[int] = field(default_factory=lambda: count(200))

    def lie(self, who: str, *frames: str) -> None:
        """Send the frames, and wait until the host has seen what came after them."""
        mac, send = self.senders[who]
        leased = read(self.world, LEASES)
        free = (own for own in map("10.77.0.{}".format, self.honest) if own not in self.homes)
        own = next(own for own in free if f" {own} " not in leased)
        truth = forgery.dhcp(forgery.REQUEST, mac, source=mac, server=SERVER, address=own)
        send(*frames, *truth)
        self.world.wait_for(f"{who} to have leased {own}", lambda: self.leased(mac) == own)

    def leased(self, mac: str) -> str | None:
        """The IPv4 address that dnsmasq has given to a MAC."""
        rows = (line.split() for line in read(self.world, LEASES).splitlines())
        return next((f[2] for f in rows if len(f) == 5 and f[1] == mac), None)


def in_guest(world: World, guest: GuestFiles, address: str) -> Sender:
    """Puts the program into a running guest; what is returned sends frames from there."""
    login = f"ssh -F {guest.ssh_config} -o ConnectTimeout=30 root@{address}"
    upload = f"{login} 'cp /bin/busybox /tmp/send && cat >/tmp/send' <{SEND}"
    world.wait_for(
        f"{address} to take a program",
        lambda: not world.run(["sh", "-c", upload], check=False).returncode,
        60,
    )
    return lambda *frames: world.run(["sh", "-c", f"{login} /tmp/send eth0 {' '.join(frames)}"])


@pytest.fixture(scope="module")
def town(_namespaces: None, guest_files: GuestFiles, send_frames: Path) -> Iterator[Town]:
    with closing(World()) as world:
        pyvirt(world, "network", "create", "lab", "--subnet", "10.77.0.0/24", "--mode", "isolated")
        pyvirt(world, "network", "start", "lab")
        world.run(["install", send_frames, SEND])
        world.serve()
        define(world, guest_files, "web1", "--address", ADDRESS)
        define(world, guest_files, "strict1")
        define(world, guest_files, "open1", "--no-mac-filtering")
        for name in ("web1", "strict1", "open1"):
            pyvirt(world, "domain", "start", name)
        senders, homes = {}, set()
        for name in ("strict1", "open1"):
            address = lease(world, name)
            homes.add(address)
            senders[name] = mac_of(world, name), in_guest(world, guest_files, address)
        client = world.client("plain", BRIDGE)
        senders["plain"] = client.mac, lambda *frames: client.run([SEND, "eth0", *frames])
        web1 = lease(world, "web1")
        yield Town(world, guest_files, web1, mac_of(world, "web1"), senders, homes)


def advertisement(mac: str, own: str, options: bytes) -> list[str]:
    """From an unknown router at this MAC."""
    options += forgery.link_layer(1, mac)
    packet = forgery.discovery(134, "fe80::bad", "ff02::1", None, options)
    return [forgery.ethernet(own, 0x86DD, packet)]


def request(mac: str, source: str, first_fragment: int = 0) -> list[str]:
    return forgery.dhcp(
        forgery.REQUEST,
        mac,
        source=source,
        server=SERVER,
        address="10.77.0.66",
        first_fragment=first_fragment,
    )


def give_back(kind: int, mac: str, source: str, address: str) -> list[str]:
    return forgery.dhcp(kind, mac, source=source, server=SERVER, address=address)


LIES: dict[str, Callable[[str, str, str], list[str]]] = {
    # victim's MAC and address, liar's MAC
    "asks for another address in its name": lambda mac, _, own: request(mac, own),
    "asks with its MAC as sender too": lambda mac, _, __: request(mac, mac),
    "asks in fragments": lambda mac, _, own: request(mac, own, first_fragment=8),
    "asks in larger fragments": lambda mac, _, own: request(mac, own, first_fragment=64),
    "gives its lease back": lambda mac, at, own: give_back(forgery.RELEASE, mac, own, at),
    "gives it back as its sender": lambda mac, at, _: give_back(forgery.RELEASE, mac, mac, at),
    "declines its lease": lambda mac, at, own: give_back(forgery.DECLINE, mac, own, at),
    "declines it as its sender": lambda mac, at, _: give_back(forgery.DECLINE, mac, mac, at),
    "takes its MAC": lambda mac, _, __: forgery.arp("10.77.0.67", mac, source=mac, asked=SERVER),
    "answers at its address": lambda _, at, own: forgery.arp(at, own, source=own, asked=SERVER),
}
NEIGHBOURS: dict[str, Callable[[str, str, str], list[str]]] = {
    # victim's MAC, liar's MAC, the host's link-local address
    "by ARP": lambda mac, own, _: forgery.arp("10.77.0.68", mac, source=own, asked=SERVER),
    "by neighbour discovery": lambda mac, own, host: forgery.solicitation(
        "fd00::bad", mac, source=own, asked=host
    ),
    "by a router's advertisement": lambda mac, own, _: advertisement(mac, own, b""),
    "by a router's advertisement behind another option": lambda mac, own, _: advertisement(
        mac, own, bytes.fromhex("05010000000005dc")
    ),
}


@pytest.mark.parametrize("who", ["strict1", "open1", "plain"])
@pytest.mark.parametrize("lie", LIES)
def test_a_running_domain_keeps_its_name_address_and_place(town: Town, lie: str, who: str) -> None:
    own = town.senders[who][0]
    town.lie(who, *LIES[lie](town.mac, town.address, own))
    assert town.leased(town.mac) == town.address
    assert finds(town.world, "web1") == [town.address] == [ADDRESS]
    assert town.world.run(["ping", "-c1", "-W10", "web1"]).returncode == 0
    shown = town.world.run(["ip", "-json", "neighbour", "show", ADDRESS]).stdout
    assert [entry["lladdr"] for entry in json.loads(shown)] == [town.mac]


@pytest.mark.parametrize("who", ["strict1", "open1", "plain"])
@pytest.mark.parametrize("lie", NEIGHBOURS)
def test_no_address_joins_a_domain_by_what_another_card_says(
    town: Town, lie: str, who: str
) -> None:
    own = town.senders[who][0]
    (host,) = [
        info["local"]
        for link in json.loads(town.world.run(["ip", "-json", "-6", "addr", "show", BRIDGE]).stdout)
        for info in link["addr_info"]
        if info["scope"] == "link"
    ]
    town.lie(who, *NEIGHBOURS[lie](town.mac, own, host))
    known = town.world.run(["ip", "-json", "neighbour"]).stdout
    assert "10.77.0.68" not in known
    assert "::bad" not in known
    assert finds(town.world, "web1") == [town.address]


@pytest.mark.parametrize("who", ["strict1", "open1", "plain"])
def test_no_relay_says_who_asks_for_a_dhcpv6_lease(town: Town, who: str) -> None:
    """Else web1's name is that lease's in dnsmasq's DNS."""
    mac, send = town.senders[who]
    prefix = b"\xfe\x80" + bytes(6)
    source = socket.inet_ntop(socket.AF_INET6, prefix + interface_id(mac))
    (shown,) = json.loads(pyvirt(town.world, "network", "show", "lab", "-o", "json").stdout)
    link = str(shown["subnet6"].partition("/")[0])
    relayed, own = (bytes.fromhex("00040000") + who.encode().ljust(14) + bytes([n]) for n in (1, 2))
    for packet in (
        forgery.lease6(relayed, source, link, relay_of=town.mac),
        forgery.lease6(own, source),
    ):
        send(forgery.ethernet(mac, 0x86DD, packet, "33:33:00:01:00:02"))
    town.world.wait_for("its own to be given", lambda: own.hex(":") in read(town.world, LEASES))
    assert relayed.hex(":") not in read(town.world, LEASES)


def test_a_card_sends_from_other_macs_only_where_its_owner_allows_it(town: Town) -> None:
    for who, address in (("strict1", None), ("open1", "10.77.0.66"), ("plain", "10.77.0.66")):
        town.lie(who, *request(FOREIGN, FOREIGN))
        assert town.leased(FOREIGN) == address
        town.lie(who, *give_back(forgery.RELEASE, FOREIGN, FOREIGN, "10.77.0.66"))
        assert town.leased(FOREIGN) is None


def test_without_the_filter_the_lie_is_believed_and_a_start_makes_it_again(
    lab: World, send_frames: Path
) -> None:
    lab.run(["install", send_frames, SEND])
    lab.serve()
    pyvirt(lab, "domain", "start", "web1")
    address, mac = lease(lab, "web1"), mac_of(lab, "web1")
    lab.wait_for("web1 to answer", lambda: finds(lab, "web1") == [address])
    client = lab.client("plain", BRIDGE)
    lab.run(["nft", "delete", "table", "bridge", "pyvirt_lab"])

    def has_moved() -> bool:  # a bridge takes no frame from a card that is too new
        client.run([SEND, "eth0", *request(mac, client.mac)])
        return "10.77.0.66" in finds(lab, "web1")

    lab.wait_for("web1 to be elsewhere", has_moved)
    define_idle(lab, "db1")
    pyvirt(lab, "domain", "start", "db1")
    filtered = lab.run(["nft", "list", "table", "bridge", "pyvirt_lab"]).stdout
    assert mac in filtered
    assert mac_of(lab, "db1") in filtered
    lab.run(["nft", "delete", "table", "bridge", "pyvirt_lab"])
    pyvirt(lab, "network", "start", "lab")  # which mends what is missing
    lab.wait_for(
        "the filter to be there again",
        lambda: (
            mac in lab.run(["nft", "list", "table", "bridge", "pyvirt_lab"], check=False).stdout
        ),
    )
    lab.run(["kill", "-KILL", str(row(lab, "web1")["pid"])])
    pyvirt(lab, "domain", "stop", "--force", "db1", "web1")
    ports = ["nft", "list", "chain", "bridge", "pyvirt_lab", "cards"]
    assert '"pvtap*"' in (chain := lab.run(ports).stdout)
    assert '"pvtap0"' not in chain
    pyvirt(lab, "network", "stop", "lab")
    assert "bridge" not in lab.run(["nft", "list", "tables"]).stdout


def without_bridge_filters(world: World, why: str) -> None:
    """From now on nft refuses to filter on bridges, with the reason `why`."""
    replace_nft(world, NFT_WITHOUT_BRIDGES % why)


def replace_nft(world: World, program: str) -> None:
    """By one that finds the real one at /run/nft."""
    replace = """nft=$(readlink -f "$(command -v nft)") && cp "$nft" /run/nft &&
        cat >/run/other-nft && chmod +x /run/other-nft && mount --bind /run/other-nft "$nft" """
    world.run(["sh", "-c", replace], input=program)


def test_a_guest_that_the_kernel_cannot_filter_runs_with_a_warning(idle_lab: World) -> None:
    without_bridge_filters(idle_lab, "Operation not supported")
    started = pyvirt(idle_lab, "domain", "start", "web1")
    assert (
        "pyvirt: guests can send from any MAC and so take over names: nft: Error: Could not"
        " process rule: Operation not supported\n"
    ) in started.stderr
    assert row(idle_lab, "web1")["state"] == "running"


def test_a_guest_whose_filter_fails_for_another_reason_is_not_started(idle_lab: World) -> None:
    without_bridge_filters(idle_lab, "Cannot allocate memory")
    refused = pyvirt(idle_lab, "domain", "start", "web1", check=False)
    assert refused.returncode == 1
    assert "Cannot allocate memory" in refused.stderr
    assert traces(idle_lab) == []


def test_a_network_that_stops_is_guarded_while_it_has_a_bridge(idle_lab: World) -> None:
    replace_nft(idle_lab, NFT_THAT_LOOKS)
    pyvirt(idle_lab, "network", "stop", "lab")
    links = read(idle_lab, "/run/links")
    assert "lo" in links
    assert BRIDGE not in links


def test_a_plain_user_cannot_block_a_command_by_locking_files(
    idle_lab: World,
) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    locker = idle_lab.spawn(
        ["python3", "-c", LOCK_ALL], user="nobody", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert locker.stdout is not None
    assert locker.stdout.readline() == "held\n"
    define_idle(idle_lab, "db1")
    pyvirt(idle_lab, "domain", "start", "db1")
    assert (
        mac_of(idle_lab, "db1")
        in idle_lab.run(["nft", "list", "table", "bridge", "pyvirt_lab"]).stdout
    )
    pyvirt(idle_lab, "domain", "stop", "--force", "web1", "db1")
    pyvirt(idle_lab, "domain", "delete", "web1", "db1")
    pyvirt(idle_lab, "network", "stop", "lab")
    pyvirt(idle_lab, "network", "delete", "lab")
    assert idle_lab.run(["find", "/run/pyvirt/locks", "-type", "f"]).stdout == ""
