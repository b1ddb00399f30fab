"""Whether a leased address is in a network of its bridge. Pure."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from leasewatch.model import Lease

Prefix = tuple[bytes, int]
"""A packed address of a bridge, and the length of its prefix."""

_LINK_LOCAL = bytes.fromhex("fe80") + bytes(6)


def is_off_link(lease: Lease, prefixes: Iterable[Prefix]) -> bool:
    """Whether none of the prefixes has the address, though there are some of its family.

    Without any, nothing is known: the bridge may have lost its addresses. Neither does a link-local
    prefix tell anything, nor an address that stands alone.
    """
    family = socket.AF_INET if lease.family == 4 else socket.AF_INET6
    packed = socket.inet_pton(family, lease.address)
    bits = 8 * len(packed)
    known = False
    for own, length in prefixes:
        if len(own) != len(packed) or not length < bits or own[:8] == _LINK_LOCAL:
            continue
        known = True
        shift = bits - length
        if int.from_bytes(packed) >> shift == int.from_bytes(own) >> shift:
            return False
    return known
