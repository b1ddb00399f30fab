"""Which subnets a network may have, and which are free. Pure: routes, randomness are arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec
import netaddr

from nss_pyvirt.errors import UserError

_POOLS = ("10.77.0.0/16", "172.29.0.0/16", "192.168.128.0/17")
"""Where `auto` looks, in this order: parts of RFC 1918 that home routers and Docker leave alone."""

_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
"""RFC 1918, and RFC 6598 for those who have used that up. With any other the host would no longer
reach whose addresses they are."""


class Taken(msgspec.Struct, frozen=True):
    """A subnet in use; `by` ends the sentence "… is taken by …", e.g. `network lab`."""

    subnet: str
    by: str


def check4(text: str) -> None:
    """Raises UserError unless `text` is a private IPv4 network from /16 to /29."""
    network = _parse(text, 4, "subnet", "10.77.0.0/24")
    if not 16 <= network.prefixlen <= 29:
        raise UserError(
            f"subnet: {text} is out of range", "use a prefix from /16 to /29", "invalid"
        )
    if not any(network in netaddr.IPNetwork(range_) for range_ in _PRIVATE):
        raise UserError(
            f"subnet: {text} is not private",
            f"use one within {', '.join(_PRIVATE)}, or auto",
            "invalid",
        )


def check6(text: str) -> None:
    """Raises UserError unless `text` is a unicast IPv6 /64."""
    network = _parse(text, 6, "subnet6", "fd12:3456:789a::/64")
    if network.prefixlen != 64:
        raise UserError(f"subnet6: {text} is not a /64", "RA and SLAAC need exactly /64", "invalid")
    if network in netaddr.IPNetwork("ff00::/8") or network in netaddr.IPNetwork("fe80::/10"):
        raise UserError(
            f"subnet6: {text} is not for hosts", "use one like fd12:3456:789a::/64", "invalid"
        )


def canonical(text: str) -> str:
    """The one spelling of a subnet that passed its check."""
    return str(netaddr.IPNetwork(text))


def host_address(subnet: str) -> str:
    """The first address of a subnet, with its prefix: the host's own."""
    network = netaddr.IPNetwork(subnet)
    return f"{netaddr.IPAddress(network.first + 1, network.version)}/{network.prefixlen}"


def guest_range(subnet: str) -> tuple[str, str]:
    """First and last IPv4 address for guests."""
    network = netaddr.IPNetwork(subnet)
    return str(network[2]), str(network[-2])


def guest_count(subnet: str) -> int:
    """How many IPv4 addresses there are for guests."""
    return int(netaddr.IPNetwork(subnet).size) - 3  # but the network's, the host's, broadcast


def guest_range6(subnet6: str, count: int) -> tuple[str, str]:
    """First and last of the `count` addresses of a /64 that are leased: from ::100 up."""
    network = netaddr.IPNetwork(subnet6)
    return str(network[0x100]), str(network[0x100 + count - 1])


def check_guest(address: str, network: str, subnet: str) -> None:
    """Raises UserError unless a guest of `network`, whose IPv4 is `subnet`, can have `address`."""
    first, last = guest_range(subnet)
    if not netaddr.IPAddress(first) <= netaddr.IPAddress(address) <= netaddr.IPAddress(last):
        what = f"{address} cannot be a guest's address on network {network}"
        raise UserError(what, f"use one from {first} to {last}", "invalid")


def ula(random: bytes, number: int = 0) -> str:
    """A /64 of a unique local prefix from 5 random bytes (RFC 4193, 3.1); `number` < 65536."""
    value = (0xFD << 120) | (int.from_bytes(random[:5], "big") << 80) | (number << 64)
    return f"{netaddr.IPAddress(value, 6)}/64"


def free(taken: Sequence[Taken]) -> Iterator[str]:
    """The /24s of the pools that are free."""
    for pool in _POOLS:
        for candidate in netaddr.IPNetwork(pool).subnet(24):
            if clash(str(candidate), taken) is None:
                yield str(candidate)


def clash(subnet: str, taken: Iterable[Taken]) -> Taken | None:
    """The first that shares an address with `subnet`.

    Routes shorter than /8 are default routes in disguise (0.0.0.0/1 of VPNs) and take nothing.
    """
    mine = netaddr.IPNetwork(subnet)
    for other in taken:
        theirs = netaddr.IPNetwork(other.subnet)
        counts = theirs.version == mine.version and theirs.prefixlen >= 8
        if counts and (mine in theirs or theirs in mine):
            return other
    return None


def collision(subnet: str, taken: Iterable[Taken]) -> Taken | None:
    """As `clash`, but a wider route is no hindrance: the network's own, being longer, wins."""
    prefix = netaddr.IPNetwork(subnet).prefixlen
    return clash(subnet, (t for t in taken if netaddr.IPNetwork(t.subnet).prefixlen >= prefix))


def _parse(text: str, version: Literal[4, 6], key: str, example: str) -> netaddr.IPNetwork:
    try:
        network = netaddr.IPNetwork(text, version=version)
    except (netaddr.AddrFormatError, ValueError):
        raise UserError(
            f'{key}: "{text}" is no IPv{version} network', f"e.g. {example}", "invalid"
        ) from None
    if "/" not in text:
        raise UserError(f'{key}: "{text}" has no prefix length', f"e.g. {example}", "invalid")
    if network.ip != network.network:
        raise UserError(
            f"{key}: {text} has host bits set", f"did you mean {network.cidr}?", "invalid"
        )
    return network
