"""Each rule of the bridge filter against a guest that lies, in each shape of a frame.

Guests are network namespaces whose ports the run states call domains' taps. wire.py sends for them
and says which frame got where. Real guests are test_mac_filter.py's.
"""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest

from leasewatch.virt.frame_rules import interface_id
from tests.system import forgery
from tests.system.forgery import PAD, arp, discovery, ethernet, fragment, link_layer
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
from leasewatch.io import run_states
from leasewatch.manager import mac_filter
from leasewatch.model import DomainState
from leasewatch.paths import Paths
state = run_states.read(Paths().domain_runs / f"{sys.argv[1]}.json", DomainState)
ended = sys.argv[2:] == ["ended"]
if ended:
    (Paths().domain_runs / f"{sys.argv[1]}.json").unlink()
mac_filter.refresh(Paths(), ["lab"], **{"ended" if ended else "begun": state})
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
"""Tags that a host takes off whoever it is."""


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
        return socket.inet_ntop(socket.AF_INET6, prefix + interface_id(mac).to_bytes(8, "big"))


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


def ip(mac: str, source: str, payload: bytes, **how: int) -> str:
    return ethernet(mac, 0x0800, forgery.ipv4(source, "255.255.255.255", payload, **how))  # type: ignore[arg-type]


def ip6(mac: str, packet: bytes) -> str:
    return ethernet(mac, 0x86DD, packet, "33:33:00:00:00:01")


def pieces6(mac: str, source: str, kind: int, payload: bytes, cut: int, *before: int) -> list[str]:
    """An IPv6 packet in two fragments, with empty headers of the kinds `before` in the first."""
    between = [(number, PAD) for number in before]
    first = forgery.ipv6(
        source, ALL6, kind, payload[:cut], between=[fragment(0, more=True), *between]
    )
    at = cut + 8 * len(before)
    rest = before[0] if before else kind
    second = forgery.ipv6(source, ALL6, rest, payload[cut:], between=[fragment(at, more=False)])
    return [ip6(mac, first), ip6(mac, second)]


def trailed6(mac: str, source: str, kind: int, payload: bytes, *before: int) -> list[str]:
    """As `pieces6`; the first ends before the payload, its frame goes on with something harmless.

    Nobody but who does not heed the packet's length reads that.
    """
    harmless = {17: forgery.udp(9, 9, bytes(40)), 58: forgery.icmp6(128, bytes(40), source, ALL6)}
    first, second = pieces6(mac, source, kind, payload, 0, *before)
    end = 2 * (14 + 40 + 8 + 8 * len(before))
    return [first[:end] + harmless[kind].hex(), second]


def claims(mac: str, address: str) -> dict[str, list[str]]:
    """What says that an IPv4 address is here."""
    broadcast = "10.77.0.255"
    return {
        "asks from": arp(address, mac, source=mac, asked=FREE),
        "answers for": arp(address, mac, source=mac, asked=FREE, operation=2),
        "announces": arp(address, mac, source=mac, asked=address),
        "announces as an answer": arp(address, mac, source=mac, asked=address, operation=2),
        "probes": arp("0.0.0.0", mac, source=mac, asked=address),
        "sends from": [ip(mac, address, forgery.udp(9, 9, b"claim"))],
        "sends a fragment from": [ip(mac, address, b"fragment", at=64, more=True)],
        "sends TCP from": [
            ethernet(mac, 0x0800, forgery.ipv4(address, broadcast, b"t", protocol=6))
        ],
    }


def claims6(mac: str, address: str, own: str) -> dict[str, list[str]]:
    """What says that an IPv6 address is here."""
    option = link_layer(2, mac)
    return {
        "asks from": [ip6(mac, discovery(135, address, ALL6, own, link_layer(1, mac)))],
        "advertises from": [ip6(mac, discovery(136, address, ALL6, address, option))],
        "advertises": [ip6(mac, discovery(136, own, ALL6, address, option))],
        "advertises without option": [ip6(mac, discovery(136, own, ALL6, address))],
        "probes": [ip6(mac, discovery(135, "::", ALL6, address))],
        "probes with a nonce": [
            ip6(mac, discovery(135, "::", ALL6, address, bytes.fromhex("0e01112233445566")))
        ],
        "seeks routers from": [ip6(mac, discovery(133, address, ALL6, None, link_layer(1, mac)))],
        "sends from": [ip6(mac, forgery.ipv6(address, ALL6, 17, forgery.udp(9, 9, b"claim")))],
        "sends a fragment from": [
            ip6(mac, forgery.ipv6(address, ALL6, 17, b"part", between=[fragment(64, more=True)]))
        ],
        "sends behind options from": [
            ip6(mac, forgery.ipv6(address, ALL6, 59, b"", between=[(60, PAD)]))
        ],
    }


def of_others(street: Street, mac: str) -> dict[str, list[str]]:
    """Lies about MACs and addresses that are others', which nobody may tell."""
    own = street.own6(mac)
    lies = {
        "a frame from web1's MAC": arp(FREE, WEB1, source=WEB1, asked=HOST4),
        "web1's MAC in ARP": arp(FREE, WEB1, source=mac, asked=HOST4),
        "web1's MAC in an ARP answer": arp(FREE, WEB1, source=mac, asked=HOST4, operation=2),
        "web1's MAC in DHCP": forgery.dhcp(
            forgery.REQUEST, WEB1, source=mac, server=HOST4, address=FREE
        ),
        "web1's MAC in DHCP in fragments": forgery.dhcp(
            forgery.REQUEST, WEB1, source=mac, server=HOST4, address=FREE, first_fragment=8
        ),
        "web1's MAC in DHCP in large fragments": forgery.dhcp(
            forgery.REQUEST, WEB1, source=mac, server=HOST4, address=FREE, first_fragment=64
        ),
    }
    nonce = bytes.fromhex("0e01112233445566")
    for name, kind, target, option in (
        ("a solicitation", 135, own, link_layer(1, WEB1)),
        ("an advertisement", 136, own, link_layer(2, WEB1)),
        ("a router solicitation", 133, None, link_layer(1, WEB1)),
    ):
        for how, options in (("", option), (" behind a nonce", nonce + option)):
            lies[f"web1's MAC in {name}{how}"] = [
                ip6(mac, discovery(kind, own, ALL6, target, options))
            ]
        for number in (0, 60, 43):
            packet = discovery(kind, own, ALL6, target, option, between=[(number, PAD)])
            lies[f"web1's MAC in {name} behind header {number}"] = [ip6(mac, packet)]
        packet = discovery(kind, own, ALL6, target, option, between=[fragment(0, more=False)])
        lies[f"web1's MAC in {name} that is one fragment"] = [ip6(mac, packet)]
    for owner, address in (("web1", LEASED), ("a stopped domain", RESERVED), ("the host", HOST4)):
        for how, frames in claims(mac, address).items():
            lies[f"{how} the address of {owner}"] = frames
    for owner, address in (
        ("web1", street.own6(WEB1)),
        ("web1, in the prefix", street.own6(WEB1, global_=True)),
        ("the host", f"{street.prefix}1"),
        ("the host, link-local", street.host6),
        ("web1, by itself", street.used6),
    ):
        for how, frames in claims6(mac, address, own).items():
            lies[f"{how} the IPv6 address of {owner}"] = frames
    return lies


def of_routers(street: Street, mac: str) -> dict[str, list[str]]:
    """What only a router or a server says, and lies about MACs that are nobody's."""
    own = street.own6(mac)
    lies = {
        "a frame from another MAC": arp(FREE, NESTED, source=NESTED, asked=HOST4),
        "another MAC in ARP": arp(FREE, NESTED, source=mac, asked=HOST4),
        "another MAC in DHCP": forgery.dhcp(
            forgery.REQUEST, NESTED, source=mac, server=HOST4, address=FREE
        ),
        "its own MAC in DHCP in fragments": forgery.dhcp(
            forgery.REQUEST, mac, source=mac, server=HOST4, address=FREE, first_fragment=128
        ),
        "another MAC in a solicitation": [
            ip6(mac, discovery(135, own, ALL6, own, link_layer(1, NESTED)))
        ],
        "ARP for hardware of eight bytes": arp(
            LEASED, mac, source=mac, asked=FREE, shape="000108000804"
        ),
        "ARP of Token Ring": arp(FREE, mac, source=mac, asked=HOST4, shape="000608000604"),
        "ARP of another protocol": arp(FREE, mac, source=mac, asked=HOST4, shape="000186dd0604"),
        "RARP's question": arp(FREE, mac, source=mac, asked=HOST4, operation=3),
        "inverse ARP": arp(FREE, mac, source=mac, asked=HOST4, operation=8),
        "an answer of a probe": arp("0.0.0.0", mac, source=mac, asked=FREE, operation=2),
        "DHCP from the server's port": [ip(mac, FREE, forgery.udp(67, 68, bytes(300)))],
        "DHCP to clients from any port": [ip(mac, FREE, forgery.udp(1067, 68, bytes(300)))],
        "DHCP from the server's port to any": [ip(mac, FREE, forgery.udp(67, 1068, bytes(300)))],
        "DHCP's answer in fragments": [
            ip(mac, FREE, forgery.udp(67, 68, bytes(300))[:8], more=True),
            ip(mac, FREE, bytes(300), at=8),
        ],
        **{
            f"DHCP's answer with its ports among {what}": [
                ethernet(mac, 0x0800, forgery.ipv4(FREE, "255.255.255.255", body, options=options))
            ]
            for what, options, body in (
                ("options", bytes.fromhex("00430044"), forgery.udp(308, 9, bytes(300))),
                ("the ends of options", bytes.fromhex("0000004300440000"), bytes(300)),
                ("options that do nothing", b"\1" * 40, forgery.udp(67, 68, bytes(300))),
            )
        },
        "DHCP of a relay": [ip(mac, FREE, forgery.udp(67, 67, relayed(mac)))],
        "DHCP of a relay from a client's port": [ip(mac, FREE, forgery.udp(68, 67, relayed(mac)))],
        "an ICMP redirect": [ip(mac, FREE, b"\x05\1\0\0" + bytes(32), protocol=1)],
        "an ICMP router advertisement": [ip(mac, FREE, b"\x09\0\0\0" + bytes(16), protocol=1)],
        "IGMP's question": [ip(mac, FREE, bytes.fromhex("1164") + bytes(14), protocol=2)],
        "a multicast router": [ip(mac, FREE, bytes.fromhex("3014") + bytes(14), protocol=2)],
        "MLD's question": [
            ip6(mac, forgery.ipv6(own, ALL6, 58, forgery.icmp6(130, bytes(24), own, ALL6)))
        ],
        "MLD's question behind an alert": [
            ip6(
                mac,
                forgery.ipv6(
                    own, ALL6, 58, forgery.icmp6(130, bytes(24), own, ALL6), between=[ALERT]
                ),
            )
        ],
        "STP": [ethernet(mac, 38, bytes.fromhex("424203") + bytes(35), "01:80:c2:00:00:00")],
        "a VLAN's registration": [ethernet(mac, 0x88F5, bytes(40), "01:80:c2:00:00:21")],
        "LLDP": [ethernet(mac, 0x88CC, bytes(40))],
        "a frame of 802.3": [ethernet(mac, 46, bytes.fromhex("aaaa030000000806") + bytes(38))],
    }
    ends = (own, ALL6)
    for name, message in (
        ("a router advertisement", discovery(134, *ends, None, link_layer(1, mac))),
        ("a redirect", discovery(137, *ends, own, link_layer(2, mac))),
    ):
        kind, body = 58, message[40:]
        lies[name] = [ip6(mac, message)]
        for headers in ((0,), (60,), (43,), (0, 60), (60, 60, 60), (0, 43, 60)):
            packet = forgery.ipv6(*ends, kind, body, between=[(one, PAD) for one in headers])
            lies[f"{name} behind headers {headers}"] = [ip6(mac, packet)]
        packet = forgery.ipv6(*ends, kind, body, between=[fragment(0, more=False)])
        lies[f"{name} that is one fragment"] = [ip6(mac, packet)]
        packet = forgery.ipv6(
            *ends, kind, body, between=[(0, PAD), fragment(0, more=False), (60, PAD)]
        )
        lies[f"{name} that is one fragment between headers"] = [ip6(mac, packet)]
        lies[f"{name} in fragments"] = pieces6(mac, own, kind, body, 8)
        lies[f"{name} in fragments behind a header"] = pieces6(mac, own, kind, body, 8, 60)
        lies[f"{name} whose first fragment ends before it"] = pieces6(mac, own, kind, body, 0, 60)
        lies[f"{name} whose first fragment is empty"] = pieces6(mac, own, kind, body, 0)
        for before in ((), (60,), (0,), (43,), (60, 60)):
            lies[f"{name} behind a fragment's end and headers {before}"] = trailed6(
                mac, own, kind, body, *before
            )
        inner = forgery.ipv6(
            *ends, kind, body, between=[fragment(0, more=True), fragment(0, more=False)]
        )
        lies[f"{name} in a fragment of a fragment"] = [ip6(mac, inner)]
    for name, ports in (
        ("a DHCPv6 answer", (547, 546)),
        ("a DHCPv6 answer from any port", (1547, 546)),
        ("a DHCPv6 answer to any port", (547, 1546)),
    ):
        message = forgery.udp(*ports, bytes([7]) + bytes(39))
        lies[name] = [ip6(mac, forgery.ipv6(*ends, 17, message))]
        for headers in ((60,), (0, 60)):
            packet = forgery.ipv6(*ends, 17, message, between=[(one, PAD) for one in headers])
            lies[f"{name} behind headers {headers}"] = [ip6(mac, packet)]
        lies[f"{name} in fragments"] = pieces6(mac, own, 17, message, 8)
        lies[f"{name} whose first fragment ends before it"] = pieces6(mac, own, 17, message, 0, 60)
        lies[f"{name} behind a fragment's end"] = trailed6(mac, own, 17, message, 60)
    for number in (12, 13):
        message = forgery.udp(546, 547, bytes([number]) + bytes(39))
        lies[f"DHCPv6 of a relay ({number})"] = [ip6(mac, forgery.ipv6(*ends, 17, message))]
        lies[f"DHCPv6 of a relay ({number}) in fragments"] = pieces6(mac, own, 17, message, 8)
    return lies


def relayed(mac: str) -> bytes:
    """What a relay makes of a client's question: its own address is in it (RFC 2131 4.1)."""
    head = bytes.fromhex("01010601") + bytes(20) + bytes([10, 77, 0, 201])
    return head + forgery.mac_bytes(mac).ljust(16, b"\0") + bytes(192)


def truths(street: Street, mac: str) -> dict[str, list[str]]:
    """What an honest guest may want to say."""
    own, other = street.own6(mac), f"{street.prefix}beef:{mac[-2:]}"
    nonce = bytes.fromhex("0e01112233445566")
    large = forgery.udp(4000, 4001, bytes(1024))
    report = forgery.icmp6(143, bytes(24), own, ALL6)
    return {
        "asks by ARP": arp(FREE, mac, source=mac, asked=HOST4),
        "answers by ARP": arp(FREE, mac, source=mac, asked=HOST4, operation=2),
        "probes a free address": arp("0.0.0.0", mac, source=mac, asked="10.77.0.202"),
        "announces a free address": arp(FREE, mac, source=mac, asked=FREE),
        "asks for a lease": forgery.dhcp(
            forgery.RELEASE, mac, source=mac, server=HOST4, address="10.77.0.203"
        ),
        "sends UDP": [ip(mac, FREE, forgery.udp(4000, 53, b"question"))],
        "sends UDP in fragments": [
            ip(mac, FREE, large[:512], more=True),
            ip(mac, FREE, large[512:], at=512),
        ],
        "sends TCP": [ip(mac, FREE, bytes(20), protocol=6)],
        "pings": [ip(mac, FREE, b"\x08\0\0\0" + bytes(32), protocol=1)],
        "joins a group": [ip(mac, FREE, bytes.fromhex("2200") + bytes(14), protocol=2)],
        "routes for a network behind it": [
            ethernet(mac, 0x0800, forgery.ipv4("192.0.2.7", FREE, bytes(20), protocol=6))
        ],
        "is asked for its MAC": [ip6(mac, discovery(135, own, ALL6, other, link_layer(1, mac)))],
        "solicits without option": [ip6(mac, discovery(135, own, ALL6, other))],
        "advertises": [ip6(mac, discovery(136, own, ALL6, own, link_layer(2, mac)))],
        "probes its address": [ip6(mac, discovery(135, "::", ALL6, own))],
        "probes its address with a nonce": [ip6(mac, discovery(135, "::", ALL6, own, nonce))],
        "probes a free IPv6 address": [ip6(mac, discovery(135, "::", ALL6, other))],
        "advertises it": [ip6(mac, discovery(136, other, ALL6, other, link_layer(2, mac)))],
        "seeks routers": [ip6(mac, discovery(133, own, ALL6, None, link_layer(1, mac)))],
        "seeks routers without an address": [ip6(mac, discovery(133, "::", ALL6, None))],
        "reports groups": [ip6(mac, forgery.ipv6(own, ALL6, 58, report, between=[ALERT]))],
        "pings over IPv6": [
            ip6(mac, forgery.ipv6(own, ALL6, 58, forgery.icmp6(128, bytes(8), own, ALL6)))
        ],
        "pings behind options": [
            ip6(
                mac,
                forgery.ipv6(
                    own, ALL6, 58, forgery.icmp6(128, bytes(8), own, ALL6), between=[(60, PAD)]
                ),
            )
        ],
        "asks for a DHCPv6 lease": [
            ip6(mac, forgery.ipv6(own, ALL6, 17, forgery.udp(546, 547, bytes([1]) + bytes(39))))
        ],
        "sends UDP over IPv6 in fragments": pieces6(mac, own, 17, large, 512),
        "sends ESP": [ip6(mac, forgery.ipv6(own, ALL6, 50, bytes(40)))],
        "sends TCP over IPv6": [ip6(mac, forgery.ipv6(own, ALL6, 6, bytes(20)))],
    }


@pytest.mark.parametrize("tags", TAGS)
def test_a_strict_guest_says_nothing_that_is_not_its_own(street: Street, tags: str) -> None:
    """Of a lie in fragments the first is what counts: without it there is no packet."""
    lies = of_others(street, EVIL) | of_routers(street, EVIL)
    if TAGS[tags]:
        lies |= truths(street, EVIL)
    first = [forgery.tagged(frames[0], *TAGS[tags]) for frames in lies.values()]
    seen = dict(zip(lies, street.seen("evil", *first), strict=True))
    assert {lie: where for lie, where in seen.items() if where} == {}


@pytest.mark.parametrize("who", ["evil", "bond1", "web2", "open", "plain"])
def test_what_is_true_passes(street: Street, who: str) -> None:
    mac = next(mac for name, mac, _ in PORTS.values() if name == who)
    said = truths(street, mac)
    heard = {truth: street.seen(who, *frames) for truth, frames in said.items()}
    assert [truth for truth, seen in heard.items() if not all(seen)] == []


@pytest.mark.parametrize("tags", BELIEVED)
@pytest.mark.parametrize("who", ["open", "plain"])
def test_a_port_without_mac_filtering_says_nothing_of_a_domain(
    street: Street, who: str, tags: str
) -> None:
    mac = next(mac for name, mac, _ in PORTS.values() if name == who)
    lies = of_others(street, mac)
    first = [forgery.tagged(frames[0], *TAGS[tags]) for frames in lies.values()]
    seen = dict(zip(lies, street.seen(who, *first), strict=True))
    assert {lie: where for lie, where in seen.items() if where} == {}


def test_a_bond_moves_the_macs_of_its_cards(street: Street) -> None:
    said = truths(street, BOND2)
    heard = {truth: street.seen("bond1", *frames) for truth, frames in said.items()}
    assert [truth for truth, seen in heard.items() if not all(seen)] == []
    street.lease("bond1", BOND1, "10.77.0.57")
    street.world.wait_for(
        "both cards to hold it", lambda: f"10.77.0.57 . {BOND2}" in street.holders()
    )
    for who, mac in (("bond1", BOND2), ("bond2", BOND1), ("bond2", BOND2)):
        for how, frames in claims(mac, "10.77.0.57").items():
            assert all(street.seen(who, *frames)), (who, mac, how)
    for how, frames in claims(EVIL, "10.77.0.57").items():
        assert not street.seen("evil", frames[0])[0], how


def says(street: Street, who: str, mac: str, source: str) -> bool:
    """Whether a packet from this IPv6 address is heard."""
    packet = forgery.ipv6(source, ALL6, 17, forgery.udp(9, 9, source.encode()))
    return bool(street.seen(who, ip6(mac, packet))[0])


def test_who_uses_an_ipv6_address_first_holds_it_until_its_domain_ends(street: Street) -> None:
    first, second = f"{street.prefix}aaaa", f"{street.prefix}bbbb"
    nonce = bytes.fromhex("0e01112233445566")
    assert says(street, "web2", WEB2, first)
    street.seen("web2", ip6(WEB2, discovery(135, "::", ALL6, second, nonce)))  # probes it: as good
    street.refresh("web1")  # any other domain starts
    for address in (first, second):
        assert not says(street, "evil", EVIL, address)
        assert not says(street, "plain", PLAIN, address)
        assert not says(street, "open", OPEN, address)
        assert says(street, "web2", WEB2, address)
    street.refresh("web2", "ended")
    assert says(street, "evil", EVIL, first)
    street.domain("web2")
    assert not says(street, "web2", WEB2, first)
    assert says(street, "web2", WEB2, second)
    street.refresh("evil")
    assert says(street, "web2", WEB2, first)


def test_a_guest_holds_sixteen_addresses_and_uses_more(street: Street) -> None:
    street.refresh("web2")
    many = [f"{street.prefix}cafe:{number:x}" for number in range(1, 25)]
    assert all(says(street, "web2", WEB2, address) for address in many)
    others = [says(street, "plain", PLAIN, address) for address in many]
    assert others == [False] * 16 + [True] * 8
    assert all(says(street, "web2", WEB2, address) for address in many)
    street.refresh("web2")


def neighbours(street: Street) -> set[str]:
    """Whom the kernel knows or looks for; for each it looks for it has a multicast one too."""
    shown = street.world.run(["ip", "-json", "neighbour", "show", "nud", "all"]).stdout
    return {one["dst"] for one in json.loads(shown) if one["state"] != ["NOARP"]}


def floods(street: Street) -> dict[str, list[str]]:
    """What makes the host note an address, or look for it, with each frame."""
    bridge = street.world.run(["cat", "/sys/class/net/pv-lab/address"]).stdout.strip()
    own, host = street.own6(EVIL), f"{street.prefix}1"
    numbers = range(1, 1500)

    def to_host(packet: bytes) -> str:
        return ethernet(EVIL, 0x86DD, packet, bridge)

    def ping(source: str, to: str) -> str:
        return to_host(forgery.ipv6(source, to, 58, forgery.icmp6(128, bytes(8), source, to)))

    def solicit(source: str) -> str:
        return to_host(discovery(135, source, host, host, link_layer(1, EVIL)))

    prefix = street.prefix
    return {
        "solicitations from made-up addresses": [solicit(f"{prefix}a:{n:x}") for n in numbers],
        "solicitations from link-local ones": [solicit(f"fe80::a:{n:x}") for n in numbers],
        "pings from made-up addresses": [ping(f"{prefix}b:{n:x}", host) for n in numbers],
        "pings to made-up addresses": [ping(own, f"{prefix}c:{n:x}") for n in numbers],
        "ARP from made-up addresses": [
            arp(f"10.77.{n >> 8}.{n & 255}", EVIL, source=EVIL, asked=HOST4)[0] for n in numbers
        ],
    }


def test_a_guest_fills_no_neighbour_table(street: Street) -> None:
    """The kernel's holds 1,024 for all interfaces: where it is full, no router is found."""
    street.world.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"])
    for flood, frames in floods(street).items():
        before = neighbours(street)
        heard = street.seen("evil", *frames)
        noted = len(neighbours(street) - before)
        assert noted < 128, (flood, noted)
        assert len([1 for where in heard if "host" in where]) < 600, flood
        street.refresh("evil")
    street.world.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=0"])


@pytest.mark.parametrize(("who", "mac"), [("evil", EVIL), ("open", OPEN)])
def test_a_guest_keeps_no_server_busy(street: Street, who: str, mac: str) -> None:
    """Each message of DHCP has dnsmasq write all leases, and everybody read them."""
    own = street.own6(mac)
    asks = [
        frame
        for number in range(250)
        for frame in (
            *forgery.dhcp(
                forgery.REQUEST, mac, source=mac, server=HOST4, address=f"10.77.9.{number}"
            ),
            ip6(mac, forgery.ipv6(own, ALL6, 17, forgery.udp(546, 547, bytes([8, number] * 20)))),
        )
    ]
    heard = street.seen(who, *asks)
    assert 64 < len([1 for where in heard if "host" in where]) < 250
    street.refresh(who)


def test_no_honest_guest_meets_the_limits(street: Street) -> None:
    """One that talks to a whole subnet, one of many addresses, one that others ask for."""
    street.refresh("web2")
    scan = [arp(FREE, WEB2, source=WEB2, asked=f"10.77.0.{n}")[0] for n in range(1, 255)]
    own = street.own6(WEB2)
    answers = [
        ip6(WEB2, discovery(136, own, f"{street.prefix}{n:x}", own, link_layer(2, WEB2)))
        for n in range(1, 200)
    ]
    several = [
        ip6(WEB2, forgery.ipv6(f"{street.prefix}e:{n:x}", ALL6, 17, forgery.udp(9, 9, b"one")))
        for n in range(1, 50)
    ]
    for frames in (scan, answers, several * 3):
        assert all(street.seen("web2", *frames))
    street.refresh("web2")


TAP = """
import os, sys
from leasewatch.io import tap
descriptor, name = tap.open_tap("pv-lab", sys.argv[1])
print(name, flush=True)
for line in sys.stdin:
    os.write(descriptor, bytes(10) + bytes.fromhex(line))  # behind a virtio_net_hdr
    print("sent", flush=True)
"""


def test_no_frame_gets_to_the_host_beside_the_filter(street: Street) -> None:
    """A bridge does not forward 01:80:c2:00:00:00 to 0f, and has its port take them in itself."""
    program = [f"{CHECKOUT}/.venv/bin/python", "-c", TAP, f"fe{NESTED[2:]}"]
    guest = street.world.spawn(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert guest.stdin is not None
    assert guest.stdout is not None
    tap = guest.stdout.readline().strip()
    PORTS[tap] = ("tapped", NESTED, "tapped")
    try:
        street.domain("tapped")
    finally:
        del PORTS[tap]
    groups = ["ffffffffffff", *(f"0180c20000{last:02x}" for last in range(16))]
    for last, group in enumerate(groups):
        (asked,) = arp(f"10.77.0.{210 + last}", NESTED, source=NESTED, asked=HOST4)
        guest.stdin.write(f"{group}{asked[12:]}\n")
        guest.stdin.flush()
        assert guest.stdout.readline() == "sent\n"
    shown = json.loads(street.world.run(["ip", "-json", "neighbour"]).stdout)
    guest.communicate()
    street.refresh("tapped", "ended")
    assert [one["dst"] for one in shown if one.get("lladdr") == NESTED] == ["10.77.0.210"]


def test_without_the_filter_each_lie_is_heard(street: Street) -> None:
    """So that the tests above can fail."""
    street.world.run(["nft", "delete", "table", "bridge", "pyvirt_lab"])
    try:
        lies = {**of_others(street, EVIL), **of_routers(street, EVIL), **truths(street, EVIL)}
        first = [frames[0] for frames in lies.values()]
        seen = dict(zip(lies, street.seen("evil", *first), strict=True))
    finally:
        street.refresh("evil")
        street.world.run(["pyvirt", "network", "start", "lab"])
        street.world.wait_for("the filter to be whole", lambda: RESERVED in street.holders())
        street.lease("web1", WEB1, LEASED)
    assert [lie for lie, where in seen.items() if not where] == []
