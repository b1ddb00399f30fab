"""Frames that a guest may not send, by what they claim, and frames that it may."""

from __future__ import annotations

from tests.system import forgery
from tests.system.forgery import PAD, arp, discovery, ethernet, fragment, link_layer
from tests.system.street import (
    ALERT,
    ALL6,
    FREE,
    HOST4,
    LEASED,
    NESTED,
    RESERVED,
    WEB1,
    Street,
    ip6,
)


def ip(mac: str, source: str, payload: bytes, **how: int) -> str:
    return ethernet(mac, 0x0800, forgery.ipv4(source, "255.255.255.255", payload, **how))  # type: ignore[arg-type]


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
    """Lies about MACs and addresses of others, which no guest may send."""
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
    """What only a router or a server sends, and lies about unused MACs."""
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
