"""What follows from the addresses of a bridge: who may be a neighbour, and where to ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from leasewatch.addresses import Address, has_scope, interface_id, is_host

LINK_LOCAL: Final = bytes.fromhex("fe80") + bytes(6)
"""fe80::/64 (RFC 4291, 2.5.6)."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A watched bridge as it is now."""

    ifindex: int
    network: str
    addresses: tuple[tuple[Address, int], ...]
    """The host's own, with the lengths of their prefixes."""

    def may_hold(self, address: Address) -> bool:
        """Whether a guest can have it: it is on this link and not the host's own.

        A guest can make the kernel note any address in the world.
        """
        if any(own == address for own, _ in self.addresses) or not is_host(address):
            return False
        return has_scope(address) or any(
            _is_within(address, own, length) for own, length in self.addresses
        )

    def has_ipv6(self) -> bool:
        """Whether guests may get a global IPv6 address here."""
        return any(True for _ in self._prefixes())

    def guesses(self, mac: str) -> Iterator[Address]:
        """The addresses that a card may form from its MAC: link-local, and one in each /64.

        They are only worth a question.
        """
        own = interface_id(mac)
        yield LINK_LOCAL + own
        for prefix in self._prefixes():
            yield prefix + own

    def _prefixes(self) -> Iterator[bytes]:
        found = (own[:8] for own, length in self.addresses if length == 64 and len(own) == 16)
        yield from dict.fromkeys(prefix for prefix in found if prefix != LINK_LOCAL)


def _is_within(address: Address, own: Address, length: int) -> bool:
    if len(address) != len(own) or not length:
        return False
    shift = 8 * len(own) - length
    return int.from_bytes(address) >> shift == int.from_bytes(own) >> shift
