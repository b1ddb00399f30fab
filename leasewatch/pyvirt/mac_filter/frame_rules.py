"""The nftables rules that judge a frame by the port of the bridge that it comes from. Pure.

Rules are text in nft's own language: nft 1.0.6 has no sets of raw payload in JSON, and the target
of neighbour discovery is raw there. A strict guest's frame passes by what was read of it: a rule
that cannot read its field does not match, so each chain of these ends with `drop` (RFC 7113 4).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from leasewatch import addresses

Rule = tuple[str, str]
"""The chain, and what is added to it."""


class Guest(NamedTuple):
    """A running domain on one network. Its cards there share MACs, for a bond moves them."""

    taps: tuple[str, ...]
    macs: tuple[str, ...]
    strict: bool
    """Whether it may send only from its own MACs."""

    @property
    def id(self) -> str:
        """Names its chains and its set."""
        return self.taps[0]


class Wire(NamedTuple):
    """A network's bridge."""

    mac: str
    subnet: str
    """IPv4."""
    subnet6: str
    """IPv6, a /64."""
    addresses: tuple[bytes, ...]
    """The host's own on it, packed."""


MAX_HELD = 16
"""IPv6 addresses that a guest may hold besides those that follow from its MACs…"""
HOLD = "2h"
"""…for this long after it last used them. The service asks for each once an hour."""
FD_SOURCE, FD_TARGET = "@nh,64,128", "@nh,384,128"
"""IPv6 source; and target of a neighbour solicitation or advertisement (no extension header)."""

_NEW = "limit rate 1/second burst 64 packets"
"""Rate of new addresses of a port: each may take an entry in a neighbour table…"""
_NEW_LOOSE = "limit rate 8/second burst 256 packets"
"""…and of a port behind which there is a bridge."""
_TALK = "limit rate over 100/second burst 500 packets drop"
"""ARP or neighbour discovery of one port."""
_ASKS = "udp dport { 67, 547 } limit rate over 4/second burst 128 packets drop"
"""DHCP: dnsmasq writes its lease file for each of these, and it is read again."""

_TO_ONE = "ether daddr & 01:00:00:00:00:00 != 01:00:00:00:00:00"
_LINK_LOCAL_GROUP = "ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00"
"""A bridge does not forward these (IEEE 802.1D 7.12.6): the host gets them from the port itself."""
_TALKS = "icmpv6 type { 133, 135, 136 }"
"""Router solicitation, neighbour solicitation and advertisement."""
_LINK_LOCAL6 = 0xFE80 << 48

_FIXED_CHAINS = """
strict_port  {group} drop
strict_port  ether type vmap {{ arp : goto arp4, ip : goto ip4 }}
strict_port  drop

# RFC 826; a probe's sender is 0.0.0.0 (RFC 5227)
arp4  arp htype != 1 drop
arp4  arp ptype != ip drop
arp4  arp hlen != 6 drop
arp4  arp plen != 4 drop
arp4  arp operation != {{ request, reply }} drop
arp4  arp saddr ip 0.0.0.0 goto arp_probe
arp4  arp saddr ip {host4} drop
arp4  arp saddr ip . ether saddr @holders accept
arp4  arp saddr ip @held drop
arp_probe  arp operation != request drop
arp_probe  arp daddr ip {host4} drop
arp_probe  arp daddr ip . ether saddr @holders accept
arp_probe  arp daddr ip @held drop
arp_probe  arp daddr ip != 0.0.0.0 accept
arp_probe  drop

# What the host is asked to bring back to the same wire makes it look for the receiver. A guest may
# route for others: who answers them looks for that guest alone.
ip4  ip saddr 0.0.0.0 goto rest4
ip4  ip saddr {host4} drop
ip4  ether daddr {mac} ip daddr {subnet} ip daddr != {host4} jump back4
ip4  ip saddr . ether saddr @holders goto rest4
ip4  ip saddr @held drop
ip4  ip saddr != {subnet} ether daddr != {mac} {one} goto rest4
back6  ether daddr != {mac} return
back6  ip6 daddr != {subnet6} return
back6  ip6 daddr {host6} return
far6  ip6 saddr != {near6} ether daddr != {mac} {one} goto rest6

# Ports and types are in the first eight bytes, so a first fragment has them; the others pass.
# A guest is no router, nor asks who has joined a group: the bridge would forward no others then.
rest4  ip frag-off & 0x1fff != 0 accept
rest4  meta l4proto udp goto udp4
rest4  icmp type {{ redirect, router-advertisement }} drop
rest4  meta l4proto igmp @th,0,8 {{ 0x11, 0x30 }} drop
rest4  meta l4proto != udp accept
rest4  drop

# DHCP (RFC 2131 2): no server's answer; a client's message whole, by Ethernet and from no relay.
# Clients read a packet socket, and not all of them look for the ports behind IPv4 options.
udp4  ip hdrlength != 5 drop
udp4  udp sport 67 drop
udp4  udp dport 68 drop
udp4  udp dport 67 ip frag-off & 0x3fff != 0 drop
udp4  udp dport 67 @th,64,24 0x010106 @th,256,32 0 @th,288,48 != 0 accept
udp4  udp dport != 67 accept
udp4  drop

# A first fragment has the header of its message and nothing in front (RFC 7112): what is behind
# its own end, where nft reads on, is not what the receiver puts there.
rest6  frag frag-off > 0 accept
rest6  frag frag-off 0 ip6 nexthdr != 44 drop
rest6  frag frag-off 0 ip6 length < 16 drop
rest6  frag nexthdr {{ 0, 43, 44, 51, 60, 135 }} drop
rest6  meta l4proto udp goto udp6
rest6  meta l4proto icmpv6 goto icmp6
rest6  meta l4proto != {{ udp, icmpv6 }} accept
rest6  drop

# DHCPv6 (RFC 8415 7.3): what clients send; 12 and 13 are relays'
udp6  udp sport 547 drop
udp6  udp dport 546 drop
udp6  udp dport 547 @th,64,8 < 12 accept
udp6  udp dport != 547 accept
udp6  drop

# RFC 4861 4: no router's words (130 and 151: RFC 2710, RFC 4286). No option, or the address of the
# card, which was looked at; or the nonce of RFC 7527. Behind no extension header, in no fragment
# (RFC 6980).
icmp6  {talks} goto discovery
icmp6  icmpv6 type != {{ 130, 134, 137, 151 }} accept
icmp6  drop
discovery  ip6 nexthdr != 58 drop
discovery  ip6 hoplimit != 255 drop
discovery  icmpv6 code != 0 drop
discovery  icmpv6 type 133 ip6 length 8 accept
discovery  icmpv6 type 133 ip6 length 16 @th,64,16 0x0101 accept
discovery  icmpv6 type {{ 135, 136 }} ip6 length 24 accept
discovery  icmpv6 type {{ 135, 136 }} ip6 length 32 @th,192,16 {{ 0x0101, 0x0201 }} accept
discovery  icmpv6 type 135 ip6 length 32 @th,192,16 0x0e01 accept
discovery  drop
"""
"""The chains that strict guests share: one chain and rule a line."""

_OF_A_GUEST = ("", "new_", "ip6_", "probe_", "target_")
_NEXT = re.compile(r"(?:goto|jump) (\w+)")


def chains(rules: Sequence[Rule]) -> list[str]:
    """Every chain that has rules or that a rule leads to."""
    named = dict.fromkeys(chain for chain, _ in rules)
    return list(named | dict.fromkeys(one for _, rule in rules for one in _NEXT.findall(rule)))


def chains_of(ids: Iterable[str]) -> list[str]:
    """The chains of these guests."""
    return [f"{kind}{one}" for one in ids for kind in _OF_A_GUEST]


def rules(wire: Wire, guests: Sequence[Guest]) -> Iterator[Rule]:
    """All rules of a network's table."""
    yield from _ports(guests)
    yield from _shared(wire)
    yield from _taken6(wire, guests)
    yield from _loose(wire, guests, None)
    for guest in guests:
        yield from _strict(wire, guest) if guest.strict else _loose(wire, guests, guest)


def _ports(guests: Sequence[Guest]) -> Iterator[Rule]:
    """Send each port to the chain that judges it. Other networks' taps have their own table."""
    if guests:
        owners = [(tap, guest.id) for guest in guests for tap in guest.taps]
        chosen = ", ".join(f"{tap} : goto {owner}" for tap, owner in owners)
        yield "cards", f"iifname vmap {{ {chosen} }}"
        taps = _set(tap for tap, _ in owners)
        yield "to_host", f"iifname {taps} {_LINK_LOCAL_GROUP} drop"
        chosen = ", ".join(f"{tap} : jump new_{owner}" for tap, owner in owners)
        yield "count_new", f"iifname vmap {{ {chosen} }}"
    yield "cards", 'iifname "pvtap*" accept'
    yield "cards", "goto foreign"


def _shared(wire: Wire) -> Iterator[Rule]:
    words = {
        "mac": wire.mac,
        "subnet": wire.subnet,
        "subnet6": wire.subnet6,
        "near6": _near(wire),
        "host4": _addresses(wire, 4),
        "host6": _addresses(wire, 16),
        "group": _LINK_LOCAL_GROUP,
        "one": _TO_ONE,
        "talks": _TALKS,
    }
    for line in _lines():
        chain, _, rule = line.format(**words).partition("  ")
        yield chain, rule
    yield from _counted("arp4", "known4", "arp saddr ip", "accept")
    yield from _counted("back4", "known4", "ip daddr", "return")
    yield from _counted("ip4", "known4", "ip saddr", "goto rest4")
    yield from _counted("back6", "known6", "ip6 daddr", "return")
    yield from _counted("arp_known", "known4", "arp saddr ip", "accept")
    yield from _counted("ip4_known", "known4", "ip saddr", "accept")
    yield from _counted("ip6_known", "known6", "ip6 saddr", "accept")
    known, admit, *others = _counted("far6", "known6", "ip6 saddr", "goto rest6")
    yield from (known, admit)
    yield from (("over6", rule) for _, rule in others)


def _counted(chain: str, known: str, field: str, verdict: str) -> Iterator[Rule]:
    """`verdict` for an address in use; a new one gets it while the guest has room."""
    element = f"{{ iifname . {field} }}"
    yield chain, f"iifname . {field} @{known} update @{known} {element} {verdict}"
    yield chain, "jump count_new"
    yield chain, f"add @{known} {element} {verdict}"
    yield chain, "drop"


def _taken6(wire: Wire, guests: Sequence[Guest]) -> Iterator[Rule]:
    """Drop IPv6 addresses of the host, those that follow from a guest's MAC, and those in use."""
    fixed = [int.from_bytes(one, "big") for one in wire.addresses if len(one) == 16]
    fixed += [address for guest in guests for address in _fixed(wire, guest)]
    for what, field in (("source", FD_SOURCE), ("target", FD_TARGET)):
        yield f"fixed_{what}", f"{field} {_numbers(fixed)} drop"
        for guest in guests:
            yield f"used_{what}", f"{field} @of_{guest.id} drop"


def _strict(wire: Wire, guest: Guest) -> Iterator[Rule]:
    """What a guest may send that may use only its own MACs."""
    name, own = guest.id, _set(guest.macs)
    numbers = _numbers(map(_number, guest.macs))
    yield f"new_{name}", f"{_NEW} return"
    yield f"new_{name}", "drop"
    yield name, f"ether saddr != {own} drop"
    yield name, f"arp saddr ether != {own} drop"
    yield name, f"udp dport 67 @th,288,48 != {numbers} drop"
    yield name, f"icmpv6 type {{ 135, 136 }} @th,192,8 {{ 1, 2 }} @th,208,48 != {numbers} drop"
    yield name, f"icmpv6 type 133 @th,64,8 {{ 1, 2 }} @th,80,48 != {numbers} drop"
    yield name, f"ether type arp {_TALK}"
    yield name, f"{_TALKS} {_TALK}"
    yield name, _ASKS
    yield name, f"ether type ip6 goto ip6_{name}"
    yield name, "goto strict_port"
    yield from _strict6(wire, name, _numbers(_fixed(wire, guest)))


def _strict6(wire: Wire, name: str, fixed: str) -> Iterator[Rule]:
    """First come, first served (RFC 6620), after what is certain."""
    chain, mine, target = f"ip6_{name}", f"of_{name}", f"target_{name}"
    yield chain, f"{_LINK_LOCAL_GROUP} drop"
    yield chain, f"ip6 saddr :: goto probe_{name}"
    yield chain, f"icmpv6 type 136 jump {target}"
    yield chain, "jump back6"
    yield chain, f"{FD_SOURCE} {fixed} goto rest6"
    yield chain, "jump fixed_source"
    yield chain, f"{FD_SOURCE} @{mine} update @{mine} {{ {FD_SOURCE} }} goto rest6"
    yield chain, "jump used_source"
    yield chain, "jump far6"
    yield chain, f"ip6 saddr {_near(wire)} add @{mine} {{ {FD_SOURCE} }} goto rest6"
    yield chain, "goto over6"  # no room: the address may be used, but no domain holds it
    probe = f"probe_{name}"
    prefixes = _numbers([_prefix(wire), _LINK_LOCAL6])
    yield probe, f"icmpv6 type 135 jump {target}"
    near = f"ip6 nexthdr 58 @nh,384,64 {prefixes} {FD_TARGET} != {fixed}"
    yield probe, f"icmpv6 type 135 {near} update @{mine} {{ {FD_TARGET} }}"
    yield probe, "meta l4proto icmpv6 goto rest6"
    yield probe, "drop"
    yield target, f"{FD_TARGET} {fixed} return"
    yield target, "jump fixed_target"
    yield target, f"{FD_TARGET} @{mine} return"
    yield target, "goto used_target"


def _loose(wire: Wire, guests: Sequence[Guest], guest: Guest | None) -> Iterator[Rule]:
    """What a port must not say that need not filter MACs, or is no domain's (`guest` None).

    The latter may be another bridge's, for not every kernel tells which bridge it is: so nothing
    is refused but what says a MAC or an address of this network.
    """
    name, own = (guest.id, guest.macs) if guest else ("foreign", ())
    # Hosts believe a frame with a tag of VLAN 0, and one tag nft reads as if it were not there.
    yield name, "meta protocol { 8021q, 8021ad } @ll,116,12 0 drop"
    if others := sorted({mac for one in guests for mac in one.macs} - set(own)):
        yield from _no_macs(name, others)
    arp, probe, host = "meta protocol arp", "arp saddr ip 0.0.0.0", _addresses(wire, 4)
    yield name, f"{arp} arp saddr ip {host} drop"
    yield name, f"{arp} arp saddr ip @held arp saddr ip . arp saddr ether != @holders drop"
    yield name, f"{arp} {probe} arp daddr ip {host} drop"
    yield name, f"{arp} {probe} arp daddr ip @held arp daddr ip . arp saddr ether != @holders drop"
    yield name, f"ip saddr {host} drop"
    yield name, "ip saddr @held ip saddr . ether saddr != @holders drop"
    if guest:
        yield name, _ASKS
    yield name, f"meta protocol ip6 goto ip6_{name}"
    yield from _loose6(wire, guest, f"ip6_{name}", f"target_{name}")
    if guest:
        yield name, f"{_LINK_LOCAL_GROUP} drop"
        yield f"new_{name}", f"{_NEW_LOOSE} return"
        yield f"new_{name}", "drop"
        yield name, f"ether type arp {_TALK}"
        yield name, "ether type arp goto arp_known"
        yield name, f"ether type ip ip saddr {wire.subnet} goto ip4_known"


def _no_macs(name: str, others: Sequence[str]) -> Iterator[Rule]:
    taken, numbers = _set(others), _numbers(map(_number, others))
    yield name, f"ether saddr {taken} drop"
    yield name, f"meta protocol arp arp saddr ether {taken} drop"
    yield name, "meta protocol ip udp dport 67 ip frag-off & 0x2000 != 0 drop"
    yield name, f"meta protocol ip udp dport 67 @th,288,48 {numbers} drop"
    for types, kind, option in (("{ 135, 136 }", 192, 208), ("133", 64, 80)):
        reads = f"@th,{kind},8 {{ 1, 2 }} @th,{option},48 {numbers}"
        yield name, f"meta protocol ip6 icmpv6 type {types} {reads} drop"


def _loose6(wire: Wire, guest: Guest | None, chain: str, target: str) -> Iterator[Rule]:
    ip6 = "meta protocol ip6"  # else nft reads the type behind the MACs, which may be a tag's
    # Another header or option could hide one of those MACs.
    yield chain, f"{ip6} {_TALKS} ip6 nexthdr != 58 drop"
    yield chain, f"{ip6} icmpv6 type {{ 135, 136 }} ip6 length > 32 drop"
    yield chain, f"{ip6} icmpv6 type 133 ip6 length > 16 drop"
    yield chain, f"{ip6} icmpv6 type 136 jump {target}"
    yield chain, f"{ip6} ip6 saddr :: icmpv6 type 135 jump {target}"
    own = _numbers(_fixed(wire, guest)) if guest else ""
    if guest:
        yield chain, f"{ip6} {_TALKS} {_TALK}"
        yield target, f"{FD_TARGET} {own} return"
        yield chain, f"{FD_SOURCE} {own} accept"
    # fe80::1 and its like are in use on many a bridge.
    common = "" if guest else "ip6 saddr & ffff:ffff:ffff:ffff:ffff:ffff:: != fe80:: "
    common_target = "" if guest else f"@nh,384,96 != {_LINK_LOCAL6 << 32:#x} "
    yield target, "jump fixed_target"
    yield target, f"{common_target}jump used_target"
    yield chain, "jump fixed_source"
    yield chain, f"{common}jump used_source"
    if guest:
        yield chain, f"ether type ip6 ip6 saddr {_near(wire)} goto ip6_known"


def _fixed(wire: Wire, guest: Guest) -> list[int]:
    """The IPv6 addresses that follow from its MACs: link-local and in the network's prefix."""
    prefixes = (_LINK_LOCAL6, _prefix(wire))
    own = [int.from_bytes(addresses.interface_id(mac)) for mac in guest.macs]
    return [prefix << 64 | one for one in own for prefix in prefixes]


def _prefix(wire: Wire) -> int:
    """The 64 bits of its /64."""
    packed = addresses.parse(wire.subnet6.partition("/")[0])
    return int.from_bytes(packed[:8], "big")


def _near(wire: Wire) -> str:
    return f"{{ {wire.subnet6}, fe80::/10 }}"


def _addresses(wire: Wire, size: int) -> str:
    """The host's own of one family, by the bytes of one."""
    return _set(addresses.text(one) for one in wire.addresses if len(one) == size)


def _lines() -> list[str]:
    return [line for line in _FIXED_CHAINS.splitlines() if line and not line.startswith("#")]


def _number(mac: str) -> int:
    """The MAC as nft compares raw payload."""
    return int(mac.replace(":", ""), 16)


def _set(members: Iterable[str]) -> str:
    return f"{{ {', '.join(members)} }}"


def _numbers(members: Iterable[int]) -> str:
    return _set(f"{member:#x}" for member in members)
