"""A network with guests that lie, and a program that sends frames for them.

Guests are network namespaces whose ports the run states call domains' taps. wire.py sends for them
and says which frame got where.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from leasewatch.addresses import interface_id
from tests.system import forgery
from tests.system.world import CHECKOUT, World

HOST4 = "10.77.0.1"
LEASED, RESERVED, FREE = "10.77.0.56", "10.77.0.99", "10.77.0.201"
WEB1, WEB2 = "52:54:00:00:00:11", "52:54:00:00:00:12"
EVIL, BOND1, BOND2, OPEN = (f"52:54:00:00:00:0{i}" for i in range(1, 5))
NESTED, PLAIN, STOPPED = "52:54:00:00:00:77", "02:00:00:00:00:05", "52:54:00:00:00:99"
ALL6 = "ff02::1"
ALERT = (0, bytes.fromhex("00050200000100"))
"""The extension header in front of MLD (RFC 2710 3)."""

PORTS = {
    # port of the bridge: the machine behind it, its MAC, the domain whose tap it is
    "pvtap60": ("evil", EVIL, "evil"),
    "pvtap61": ("bond1", BOND1, "bond"),
    "pvtap62": ("bond2", BOND2, "bond"),
    "pvtap63": ("open", OPEN, "open"),
    "pvtap64": ("web1", WEB1, "web1"),
    "pvtap65": ("web2", WEB2, "web2"),
    "v-plain": ("plain", PLAIN, None),
}
REFRESH = """
import sys
from leasewatch.files import run_states
from leasewatch.pyvirt.mac_filter.apply import refresh_filter
from leasewatch.model import DomainState
from leasewatch.paths import Paths
state = run_states.read(Paths().domain_runs / f"{sys.argv[1]}.json", DomainState)
ended = sys.argv[2:] == ["ended"]
if ended:
    (Paths().domain_runs / f"{sys.argv[1]}.json").unlink()
refresh_filter(Paths(), ["lab"], None if ended else state)
"""
TAGS = {
    "no tag": (),
    "VLAN 0": ("81000000",),
    "VLAN 0 with a priority": ("8100e000",),
    "VLAN 5": ("81000005",),
    "a service tag of VLAN 0": ("88a80000",),
    "a service tag of VLAN 5": ("88a80005",),
    "VLAN 0 twice": ("81000000", "81000000"),
    "VLAN 0 in a service tag of 0": ("88a80000", "81000000"),
    "VLAN 5 in VLAN 0": ("81000000", "81000005"),
    "VLAN 0 in VLAN 5": ("81000005", "81000000"),
    "VLAN 0 three times": ("81000000", "88a80000", "81000000"),
    "an old double tag": ("91000000", "81000000"),
}
BELIEVED = [
    name
    for name, tags in TAGS.items()
    if not any(tag[5:] != "000" or tag[:2] == "91" for tag in tags)
]
"""Tags that every host takes off."""


def ip6(mac: str, packet: bytes) -> str:
    return forgery.ethernet(mac, 0x86DD, packet, "33:33:00:00:00:01")


@dataclass
class Street:
    """The network, its guests, and the program that sends for them."""

    world: World
    prefix: str
    """Of its IPv6 addresses, e.g. `fd12::`."""
    wire: subprocess.Popen[str]

    def seen(self, who: str, *frames: str, times: int = 1) -> list[list[str]]:
        """Where each of the frames was seen that a machine sent."""
        assert self.wire.stdin is not None
        assert self.wire.stdout is not None
        asked = {"from": who, "frames": frames, "times": times}
        self.wire.stdin.write(json.dumps(asked) + "\n")
        self.wire.stdin.flush()
        answer: list[list[str]] = json.loads(self.wire.stdout.readline())
        return answer

    @property
    def used6(self) -> str:
        """An IPv6 address that web1 uses without telling anybody why."""
        return f"{self.prefix}d00d"

    @property
    def host6(self) -> str:
        """The bridge's link-local address."""
        (link,) = json.loads(self.world.run(["ip", "-json", "addr", "show", "pv-lab"]).stdout)
        local = [str(info["local"]) for info in link["addr_info"] if info["scope"] == "link"]
        return local[0]

    def domain(self, name: str, *, strict: bool = True) -> None:
        """Write a run state for the ports that are a domain's, and have the filter know it."""
        nics = [
            {"network": "lab", "mac": mac, "tap": port}
            for port, (_, mac, owner) in PORTS.items()
            if owner == name
        ]
        state = {"name": name, "nics": nics, "pid": 1, "started": 1.0, "pending_until": 1}
        text = json.dumps(state | {"mac_filtering": strict})
        self.world.run(["tee", f"/run/pyvirt/domains/{name}.json"], input=text)
        self.refresh(name)

    def refresh(self, *arguments: str) -> None:
        """As a domain's start or end does."""
        self.world.run([f"{CHECKOUT}/.venv/bin/python", "-c", REFRESH, *arguments])

    def holders(self) -> str:
        """The set of the filter."""
        return self.world.run(["nft", "list", "set", "bridge", "pyvirt_lab", "holders"]).stdout

    def lease(self, who: str, mac: str, address: str) -> None:
        """Have dnsmasq lease an address, and wait until the filter holds it."""
        asked = forgery.dhcp(forgery.REQUEST, mac, source=mac, server=HOST4, address=address)
        self.seen(who, *asked)
        self.world.wait_for(
            f"{mac} to hold {address}", lambda: f"{address} . {mac}" in self.holders()
        )

    def own6(self, mac: str, *, global_: bool = False) -> str:
        """What follows from a MAC."""
        prefix = socket.inet_pton(socket.AF_INET6, self.prefix if global_ else "fe80::")[:8]
        return socket.inet_ntop(socket.AF_INET6, prefix + interface_id(mac))


@pytest.fixture(scope="module")
def street(_namespaces: None) -> Iterator[Street]:
    with closing(World()) as world:
        network = ("--subnet", "10.77.0.0/24", "--mode", "isolated")
        world.run(["pyvirt", "network", "create", "lab", *network])
        world.run(["pyvirt", "network", "start", "lab"])
        boot = ("--kernel", "/bin/sh", "--mac", STOPPED, "--address", RESERVED)
        world.run(["pyvirt", "domain", "create", "stopped", "--network", "lab", *boot])
        world.run(["mkdir", "-p", "/run/pyvirt/domains"])
        for port, (name, mac, _) in PORTS.items():
            _plug_in(world, port, name, mac)
        program = [f"{CHECKOUT}/.venv/bin/python", f"{CHECKOUT}/tests/system/wire.py", "pv-lab"]
        machines = (name for name, _, _ in PORTS.values())
        wire = world.spawn(
            [*program, *(f"{name}={name}" for name in machines)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert wire.stdout is not None
        assert wire.stdout.readline() == "ready\n"
        (shown,) = json.loads(world.run(["pyvirt", "network", "show", "lab", "-o", "json"]).stdout)
        made = Street(world, shown["subnet6"].partition("/")[0], wire)
        for name in ("evil", "bond", "web1", "web2"):
            made.domain(name)
        made.domain("open", strict=False)
        made.lease("web1", WEB1, LEASED)
        world.wait_for("the reservation to hold", lambda: f"{RESERVED} . " in made.holders())
        made.seen("web1", ip6(WEB1, forgery.ipv6(made.used6, ALL6, 17, forgery.udp(9, 9, b"mine"))))
        yield made


def _plug_in(world: World, port: str, name: str, mac: str) -> None:
    """A machine that says nothing by itself."""
    quiet = "net.ipv6.conf.all.disable_ipv6=1"
    for command in (
        ["ip", "netns", "add", name],
        ["ip", "netns", "exec", name, "sysctl", "-qw", quiet],
        ["ip", "link", "add", port, "type", "veth", "peer", "eth0", "address", mac],
        ["ip", "link", "set", "eth0", "netns", name],
        ["ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.eth0.disable_ipv6=1"],
        ["ip", "-n", name, "link", "set", "eth0", "arp", "off", "up"],
        ["ip", "link", "set", port, "master", "pv-lab", "up"],
    ):
        world.run(command)
