"""What a user asks for: an address, or a name. One rule, whoever answers."""

from __future__ import annotations

import ipaddress


def address_of(query: str) -> str | None:
    """The address that is asked for, as canonical text; None: a name is.

    The scope of a link-local one is left out and an IPv4-mapped one is the IPv4 address, as in a
    reverse look-up.
    """
    try:
        address = ipaddress.ip_address(query.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)
