"""Whether a leased address is in a network of its bridge."""

from __future__ import annotations

from collections.abc import Iterable

from leasewatch.addresses import Address, has_scope

Prefix = tuple[Address, int]
"""An address of a bridge, and the length of its prefix."""


class Networks:
    """The IP networks of the bridges of one network.

    Without one of a family, any address of that family may be right: the bridge may have lost its
    own. A link-local prefix proves nothing, nor does an address without a prefix.
    """

    def __init__(self, prefixes: Iterable[Prefix]) -> None:
        self._by_size: dict[int, list[tuple[int, int]]] = {4: [], 16: []}
        """By bytes of an address: how far to shift it, and the result inside the network."""
        for own, length in prefixes:
            shift = 8 * len(own) - length
            if shift and not has_scope(own):
                self._by_size[len(own)].append((shift, int.from_bytes(own) >> shift))

    def lack(self, address: Address) -> bool:
        """Whether the address is in none of them."""
        there = self._by_size[len(address)]
        if not there:
            return False
        number = int.from_bytes(address)
        return all(number >> shift != network for shift, network in there)
