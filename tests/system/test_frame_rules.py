"""Each rule of the bridge filter against a guest that lies, in each shape of a frame.

street.py has the network, lies.py the frames. Real guests are test_mac_filter.py's.
"""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.system import forgery
from tests.system.forgery import arp, discovery, ethernet, link_layer
from tests.system.lies import claims, of_others, of_routers, truths
from tests.system.street import (
    ALL6,
    BELIEVED,
    BOND1,
    BOND2,
    EVIL,
    FREE,
    HOST4,
    LEASED,
    NESTED,
    OPEN,
    PLAIN,
    PORTS,
    RESERVED,
    TAGS,
    WEB1,
    WEB2,
    Street,
    ip6,
)
from tests.system.street import street as street  # noqa: PLC0414  # a fixture
from tests.system.world import CHECKOUT


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
from leasewatch.pyvirt.domains import tap
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
