"""What tests of the shipped module share: tables, `hosts:` lines and the program that asks."""

from __future__ import annotations

import base64
import json
import socket
import time
from pathlib import Path

from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Address, Host
from tests.csrc.contract import SEED
from tests.system.world import World

SOURCES = sorted((Path(__file__).parent / "hostile").glob("*.c"))
"""The program that asks, and does things to itself meanwhile: see its look.c."""
TABLE = "/run/leasewatch/hosts.v1"
LONG_FROM_NOW = 4_000_000_000
ETC_HOSTS = """
10.99.0.1 web1
fd99::1 web1
fd99::6 db
10.99.0.2 starting
10.99.0.3 other
"""
UNSPEC, V4, V6 = (int(family) for family in (0, socket.AF_INET, socket.AF_INET6))


def address(text: str, ifindex: int = 0) -> Address:
    """An address that is valid for an hour."""
    family = V6 if ":" in text else V4
    return Address(family, socket.inet_pton(family, text), int(time.time()) + 3600, ifindex)


def publish(world: World, *hosts: Host) -> None:
    """Put a table where the world's module looks; it replaces what is there."""
    made = snapshot.encode(hosts, generation=1, published=1, pending_wait=30_000, seed=SEED)
    data = base64.b64encode(made).decode("ascii")
    script = f"rm -rf {TABLE}; base64 -d >{TABLE}; chmod 0644 {TABLE}"
    world.run(["sh", "-c", script], input=data)


def set_hosts_line(world: World, line: str) -> None:
    """Say in the world's nsswitch.conf which modules are asked."""
    world.run(["tee", "/etc/nsswitch.conf"], input=f"passwd: files\nhosts: {line}\n")


def furnish(world: World) -> None:
    """Publish each kind of host; lab0 has an address, and /etc/hosts other answers."""
    world.run(["tee", "-a", "/etc/hosts"], input=ETC_HOSTS)
    for command in (
        *("link add lab0 type bridge", "link set lab0 addrgenmode none"),
        *("link set lab0 up", "addr add 10.77.0.1/24 dev lab0"),
    ):
        world.run(["ip", *command.split()])
    publish_each_kind(world)


def publish_each_kind(world: World) -> None:
    """Put a table with a host for each kind of answer into a furnished world."""
    (link,) = json.loads(world.run(["ip", "-json", "link", "show", "lab0"]).stdout)
    publish(
        world,
        Host(("web1", "www"), (address("10.77.0.5"), address("fd12::5"))),
        Host(("db",), (address("10.77.0.6"),)),
        Host(("link",), (address("fe80::77", link["ifindex"]),)),
        Host(("both",), (address("10.77.0.9"), address("fe80::77", link["ifindex"]))),
        Host(("starting",), (), LONG_FROM_NOW),
        Host(("many",), tuple(address(f"10.9.0.{i}") for i in range(1, 33))),
    )
