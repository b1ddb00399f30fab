"""The nftables rules that judge a frame by the port of the bridge that it comes from. Pure.

Its rules are filled into the templates of `rule_templates`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from leasewatch import addresses
from leasewatch.pyvirt.mac_filter.rule_templates import (
    ANNOUNCED,
    COUNTED,
    FD_SOURCE,
    FD_TARGET,
    FORMS,
    JOINED,
    LINK_LOCAL6,
    LOOSE,
    OTHERS_MACS,
    OWN_MACS,
    SHARED,
    STRICT,
    WORDS,
)

Rule = tuple[str, str]
"""The chain, and what is added to it."""


class Guest(NamedTuple):
    """A running domain on one network. Its cards there share MACs, because a bond moves them."""

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

_FOREIGN = Guest(("foreign",), (), strict=False)
"""Stands for all ports that are no domain's."""

_NEXT = re.compile(r"(?:goto|jump) (\w+)")


def chains(rules: Sequence[Rule]) -> list[str]:
    """Every chain that has rules or that a rule leads to."""
    named = dict.fromkeys(chain for chain, _ in rules)
    return list(named | dict.fromkeys(one for _, rule in rules for one in _NEXT.findall(rule)))


def rules(wire: Wire | None, guests: Sequence[Guest]) -> Iterator[Rule]:
    """All rules of a network's table. Without a wire of ours they judge only our guests' ports."""
    if wire is None:
        yield from _joined(guests)
        return
    yield from _ports(guests)
    yield "cards", "goto foreign"
    if guests:
        chosen = ", ".join(f"{tap} : jump new_{one.id}" for one in guests for tap in one.taps)
        yield "count_new", f"iifname vmap {{ {chosen} }}"
    words = WORDS | _network_words(wire)
    yield from _fill(SHARED + FORMS, words)
    for chain, (known, field, verdict) in COUNTED.items():
        update = f"@{known} {{ iifname . {field} }} {verdict}"
        yield chain, f"iifname . {field} @{known} update {update}"
        yield chain, "jump count_new"
        yield chain, f"add {update}"
        yield chain, "drop"
    yield from _taken6(wire, guests)
    for guest in (_FOREIGN, *guests):
        own = words | _mac_words(guest.id, guest.macs)
        own["fixed"] = _numbers(_fixed(wire, guest))
        if guest.strict:
            yield from _fill(OWN_MACS + STRICT, own)
            continue
        yield from _others_macs(guest, guests)
        yield from _fill(LOOSE, own, "-" if guest is _FOREIGN else "+")


def _joined(guests: Sequence[Guest]) -> Iterator[Rule]:
    """The rules of guests on a bridge of the host: their MACs, and no answer of a server."""
    yield from _ports(guests)
    yield from _fill(JOINED + FORMS, WORDS)
    for guest in guests:
        if guest.strict:
            yield from _fill(OWN_MACS + ANNOUNCED, WORDS | _mac_words(guest.id, guest.macs))
            yield guest.id, "goto strict_port"
        else:
            yield from _others_macs(guest, guests)
            yield guest.id, "accept"


def _others_macs(guest: Guest, guests: Sequence[Guest]) -> Iterator[Rule]:
    """The rules of a port that may use any MAC, against those of the other guests."""
    if others := sorted({mac for one in guests for mac in one.macs} - set(guest.macs)):
        yield from _fill(OTHERS_MACS, WORDS | _mac_words(guest.id, others))


def _fill(template: str, words: Mapping[str, str], kind: str = "") -> Iterator[Rule]:
    """The rules of a template with these words, and those that `kind` marks."""
    for line in template.splitlines():
        if line and line[0] not in {"#", "+", "-"} - {kind}:
            chain, _, rule = line.removeprefix(kind).format_map(words).partition("  ")
            yield chain, rule


def _ports(guests: Sequence[Guest]) -> Iterator[Rule]:
    """Send each port to the chain that judges it. Other networks' taps have their own table."""
    if guests:
        owners = [(tap, guest.id) for guest in guests for tap in guest.taps]
        chosen = ", ".join(f"{tap} : goto {owner}" for tap, owner in owners)
        yield "cards", f"iifname vmap {{ {chosen} }}"
        taps = _set(tap for tap, _ in owners)
        yield "to_host", f"iifname {taps} {WORDS['group']} drop"
    yield "cards", 'iifname "pvtap*" accept'


def _taken6(wire: Wire, guests: Sequence[Guest]) -> Iterator[Rule]:
    """Drop IPv6 addresses of the host, those that follow from a guest's MAC, and those in use."""
    fixed = [int.from_bytes(one, "big") for one in wire.addresses if len(one) == 16]
    fixed += [address for guest in guests for address in _fixed(wire, guest)]
    for what, field in (("source", FD_SOURCE), ("target", FD_TARGET)):
        yield f"fixed_{what}", f"{field} {_numbers(fixed)} drop"
        for guest in guests:
            yield f"used_{what}", f"{field} @of_{guest.id} drop"


def _network_words(wire: Wire) -> dict[str, str]:
    prefixes = _numbers([_prefix(wire), LINK_LOCAL6])
    return {
        "mac": wire.mac,
        "subnet": wire.subnet,
        "subnet6": wire.subnet6,
        "near": f"{{ {wire.subnet6}, fe80::/10 }}",
        "is_near": f"ip6 nexthdr 58 @nh,384,64 {prefixes}",
        "host4": _set(addresses.text(one) for one in wire.addresses if len(one) == 4),
        "host6": _set(addresses.text(one) for one in wire.addresses if len(one) == 16),
    }


def _mac_words(name: str, macs: Sequence[str]) -> dict[str, str]:
    """MACs as addresses, and as nft compares raw payload."""
    numbers = _numbers(int(mac.replace(":", ""), 16) for mac in macs)
    return {"name": name, "macs": _set(macs), "numbers": numbers}


def _fixed(wire: Wire, guest: Guest) -> list[int]:
    """The IPv6 addresses that follow from its MACs: link-local and in the network's prefix."""
    prefixes = (LINK_LOCAL6, _prefix(wire))
    own = [int.from_bytes(addresses.interface_id(mac)) for mac in guest.macs]
    return [prefix << 64 | one for one in own for prefix in prefixes]


def _prefix(wire: Wire) -> int:
    """The 64 bits of its /64."""
    packed = addresses.parse(wire.subnet6.partition("/")[0])
    return int.from_bytes(packed[:8], "big")


def _set(members: Iterable[str]) -> str:
    return f"{{ {', '.join(members)} }}"


def _numbers(members: Iterable[int]) -> str:
    return _set(f"{member:#x}" for member in members)
