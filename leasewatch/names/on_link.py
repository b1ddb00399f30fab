"""Whether a leased address is in a network of its bridge."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Final

Prefix = tuple[bytes, int]
"""A packed address of a bridge, and the length of its prefix."""

_LINK_LOCAL: Final = bytes.fromhex("fe80") + bytes(6)
_AF: Final = {4: socket.AF_INET, 6: socket.AF_INET6}


class Networks:
    """The networks of the bridges of one network of ours.

    Where there is none of a family, nothing is known of it: the bridge may have lost its addresses.
    Neither does a link-local prefix tell anything, nor an address that stands alone.
    """

    def __init__(self, prefixes: Iterable[Prefix]) -> None:
        self._of_family: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        """How far to shift an address of the family, and what is left of one in the network."""
        for own, length in prefixes:
            shift = 8 * len(own) - length
            if shift and own[:8] != _LINK_LOCAL:
                family = 4 if len(own) == 4 else 6
                self._of_family[family].append((shift, int.from_bytes(own) >> shift))

    def lack(self, address: str) -> bool:
        """Whether the address is in none of them."""
        family = 6 if ":" in address else 4
        there = self._of_family[family]
        if not there:
            return False
        number = int.from_bytes(socket.inet_pton(_AF[family], address))
        return all(number >> shift != network for shift, network in there)
