"""The nftables table by which a network card speaks for its own MAC alone, as libnftables JSON.

A lease is a domain's by the MAC that dnsmasq saw, so no other port of a bridge may show that MAC:
not as the sender of a frame, not in DHCP, not as the answer to who has an address. Nor may it send
from an IPv4 address that is a domain's alone, or answer for it; of addresses that are leased this
knows nothing. Pure (libnftables-json(5), RFC 2131 2, RFC 826, RFC 4861 4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from leasewatch.model import DomainState
from leasewatch.virt import taps

Json = dict[str, object]

TABLE = "pyvirt"
"""In family bridge; one for all running domains."""


class Card(NamedTuple):
    """A running domain's network card."""

    tap: str
    mac: str
    strict: bool
    """Whether it may send from its own MAC alone."""
    address: str = ""
    """The IPv4 address that is its alone."""


def cards(domains: Iterable[DomainState]) -> list[Card]:
    """The cards of `domains`, one for each tap."""
    owners = taps.owners(domains)
    return [
        Card(tap, nic.mac, domain.mac_filtering, nic.address)
        for tap, (domain, nic) in sorted(owners.items())
    ]


def install(found: Iterable[Card]) -> Json:
    """One transaction that makes the table for these cards and no others; without cards, none."""
    of = list(found)
    if not of:
        return {"nftables": _REMOVAL}
    macs = {card.mac for card in of}
    chains = {
        card.tap: _own(card.mac) if card.strict else _no_macs(macs - {card.mac}) for card in of
    }
    ports = [[card.tap, {"goto": {"target": card.tap}}] for card in of]
    chains[_BASE] = [
        *_own_addresses(of),
        [{"vmap": {"key": _PORT, "data": {"set": ports}}}],
        *_no_macs(macs),
    ]
    hook = {"type": "filter", "hook": "prerouting", "prio": -300, "policy": "accept"}
    table = {"family": "bridge", "table": TABLE}
    return {
        "nftables": [
            *_REMOVAL,
            {"add": {"table": {"family": "bridge", "name": TABLE}}},
            *(
                {"add": {"chain": {**table, "name": name, **(hook if name == _BASE else {})}}}
                for name in chains
            ),
            *(
                {"add": {"rule": {**table, "chain": name, "expr": rule}}}
                for name, rules in chains.items()
                for rule in rules
            ),
        ]
    }


_BASE = "cards"
_TABLE: Json = {"table": {"family": "bridge", "name": TABLE}}
_REMOVAL: list[Json] = [{"add": _TABLE}, {"delete": _TABLE}]

_ACCEPT: Json = {"accept": None}
_DROP: Json = {"drop": None}


def _own(mac: str) -> list[list[Json]]:
    """What a card may say of itself: `mac` and nothing else.

    What cannot be read (a first fragment that ends before it, a second option) is dropped.
    """
    number = _number(mac)
    return [
        [_is(_SENDER, mac, "!="), _DROP],
        [_is(_ARP_SENDER, mac, "!="), _DROP],
        [_TO_SERVER, _is(_CHADDR, number), _ACCEPT],
        [_TO_SERVER, _DROP],
        # Neighbour discovery: no option, one with the card's address, or a DAD's nonce (RFC 7527).
        [_is(_ND, _SOLICIT_ADVERT), _is(_LENGTH6, 24), _ACCEPT],
        [_is(_ND, _SOLICIT_ADVERT), _is(_LENGTH6, 32), _is(_raw(208, 48), number), _ACCEPT],
        [_is(_ND, 135), _is(_LENGTH6, 32), _is(_raw(192, 8), 14), _ACCEPT],
        [_is(_ND, _SOLICIT_ADVERT), _DROP],
        [_is(_ND, 133), _is(_LENGTH6, 8), _ACCEPT],
        [_is(_ND, 133), _is(_LENGTH6, 16), _is(_raw(80, 48), number), _ACCEPT],
        [_is(_ND, 133), _DROP],
    ]


def _no_macs(macs: Iterable[str]) -> list[list[Json]]:
    """What a port that is no domain's, or may say what it likes, must not: a domain's MAC."""
    taken = sorted(macs)
    if not taken:
        return []
    numbers: Json = {"set": [_number(mac) for mac in taken]}
    more_fragments: Json = {"&": [_field("ip", "frag-off"), 0x2000]}
    return [
        [_is(_SENDER, {"set": taken}), _DROP],
        [_is(_ARP_SENDER, {"set": taken}), _DROP],
        [_TO_SERVER, _is(more_fragments, 0, "!="), _DROP],
        [_TO_SERVER, _is(_CHADDR, numbers), _DROP],
        [_is(_ND, _SOLICIT_ADVERT), _is(_raw(208, 48), numbers), _DROP],
    ]


def _own_addresses(cards: Iterable[Card]) -> list[list[Json]]:
    """An address that is one card's alone comes from no other port."""
    ports = {card.address: card.tap for card in cards if card.address}
    if not ports:
        return []
    pairs = [{"concat": [tap, address]} for address, tap in ports.items()]
    return [
        [
            _is(says, {"set": list(ports)}),
            _is({"concat": [_PORT, says]}, {"set": pairs}, "!="),
            _DROP,
        ]
        for says in (_field("arp", "saddr ip"), _field("ip", "saddr"))
    ]


def _number(mac: str) -> int:
    """As raw payload is compared."""
    return int(mac.replace(":", ""), 16)


def _is(left: Json, right: object, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def _field(protocol: str, name: str) -> Json:
    return {"payload": {"protocol": protocol, "field": name}}


def _raw(offset: int, length: int) -> Json:
    """`length` bits at `offset` bits of the transport header."""
    return {"payload": {"base": "th", "offset": offset, "len": length}}


_PORT: Json = {"meta": {"key": "iifname"}}
_SENDER = _field("ether", "saddr")
_ARP_SENDER = _field("arp", "saddr ether")
_TO_SERVER = _is(_field("udp", "dport"), 67)
_CHADDR = _raw(8 * (8 + 28), 48)  # behind the UDP header, RFC 2131 2
_ND = _field("icmpv6", "type")
_SOLICIT_ADVERT: Json = {"set": [135, 136]}
_LENGTH6 = _field("ip6", "length")
