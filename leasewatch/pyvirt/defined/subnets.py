"""Which subnets a network may have, and which are free. Pure: routes, randomness are arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_network,
)
from typing import TypeVar

import msgspec

from nss_pyvirt.errors import UserError

_POOLS = ("10.77.0.0/16", "172.29.0.0/16", "192.168.128.0/17")
"""Where `auto` looks, in this order: parts of RFC 1918 that home routers and Docker leave alone."""

_USUAL = "10.77.0.0/24"
"""The first of them."""

_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
"""RFC 1918, and RFC 6598 for those who have used that up. With a public subnet the host could no
longer reach the owner of its addresses."""

_SHORTEST = 8
"""A shorter route is a default route in disguise (0.0.0.0/1 of VPNs): it takes no subnet."""

_EXAMPLE6 = "e.g. fd12:3456:789a::/64"
_T = TypeVar("_T", IPv4Interface, IPv6Interface)


class Taken(msgspec.Struct, frozen=True):
    """A subnet in use; `by` ends the sentence "… is taken by …", e.g. `network lab`."""

    subnet: str
    by: str


def check4(text: str) -> str:
    """Its usual spelling; UserError unless `text` is a private IPv4 network from /16 to /29."""
    network = _parse(IPv4Interface, text, "subnet", "e.g. 10.77.0.0/24").network
    if not 16 <= network.prefixlen <= 29:
        raise _fault(f"subnet: {text} is out of range", "use a prefix from /16 to /29")
    if not any(network.subnet_of(IPv4Network(range_)) for range_ in _PRIVATE):
        within = f"use one within {', '.join(_PRIVATE)}, or auto"
        raise _fault(f"subnet: {text} is not private", within)
    return str(network)


def check6(text: str) -> str:
    """Its usual spelling; UserError unless `text` is a unicast IPv6 /64."""
    network = _parse(IPv6Interface, text, "subnet6", _EXAMPLE6).network
    if network.prefixlen != 64:
        raise _fault(f"subnet6: {text} is not a /64", "RA and SLAAC need exactly /64")
    if network.is_multicast or network.is_link_local:
        raise _fault(f"subnet6: {text} is not for hosts", _EXAMPLE6)
    return str(network)


def host_address(subnet: str) -> str:
    """The first address of a subnet, with its prefix: the host's own."""
    network = ip_network(subnet)
    return f"{network[1]}/{network.prefixlen}"


def guest_range(subnet: str) -> tuple[str, str]:
    """First and last IPv4 address for guests."""
    network = IPv4Network(subnet)
    return str(network[2]), str(network[-2])


def guest_count(subnet: str) -> int:
    """How many IPv4 addresses there are for guests."""
    return IPv4Network(subnet).num_addresses - 3  # but the network's, the host's, broadcast


def guest_range6(subnet6: str, count: int) -> tuple[str, str]:
    """First and last of the `count` addresses of a /64 that are leased: from ::100 up."""
    network = IPv6Network(subnet6)
    return str(network[0x100]), str(network[0x100 + count - 1])


def check_guest(address: str, network: str, subnet: str) -> None:
    """Raises UserError unless a guest of `network`, whose IPv4 is `subnet`, can have `address`."""
    first, last = guest_range(subnet)
    if not IPv4Address(first) <= IPv4Address(address) <= IPv4Address(last):
        what = f"{address} cannot be a guest's address on network {network}"
        raise _fault(what, f"use one from {first} to {last}")


def ula(random: bytes) -> str:
    """The first /64 of a unique local prefix, from 5 random bytes (RFC 4193, 3.1)."""
    return f"{IPv6Address(bytes([0xFD]) + random + bytes(10))}/64"


def free(taken: Iterable[Taken]) -> Iterator[str]:
    """The /24s of the pools that are free, in order."""
    taken = list(taken)
    if clash(_USUAL, taken) is None:
        yield _USUAL
    import netaddr  # noqa: PLC0415 - 15 ms, which other commands need not pay

    networks = (netaddr.IPNetwork(each.subnet) for each in taken)
    used = netaddr.IPSet(each for each in networks if each.prefixlen >= _SHORTEST)
    for pool in _POOLS:
        for block in (netaddr.IPSet([pool]) - used).iter_cidrs():
            yield from (str(each) for each in block.subnet(24) if str(each) != _USUAL)


def clash(subnet: str, taken: Iterable[Taken], *, wider: bool = True) -> Taken | None:
    """The first that shares an address with `subnet`; `wider`: whether wider ones count too.

    A wider route does not hinder a network that runs: the network's own route is longer and wins.
    """
    mine = ip_network(subnet)
    shortest = _SHORTEST if wider else mine.prefixlen
    for other in taken:
        theirs = ip_network(other.subnet)
        if theirs.prefixlen >= shortest and mine.overlaps(theirs):
            return other
    return None


def _parse(kind: type[_T], text: str, key: str, example: str) -> _T:
    try:
        found = kind(text)
    except ValueError:
        family = kind.__name__.removesuffix("Interface")
        raise _fault(f'{key}: "{text}" is no {family} network', example) from None
    if "/" not in text:
        raise _fault(f'{key}: "{text}" has no prefix length', example)
    if found.ip != found.network.network_address:
        raise _fault(f"{key}: {text} has host bits set", f"did you mean {found.network}?")
    return found


def _fault(what: str, hint: str) -> UserError:
    return UserError(what, hint, "invalid")
