"""IP addresses and MACs: from text and back. Only the edges of the program use the text.

An IP address is its 4 or 16 bytes in network order, so its length tells the family. A MAC is text,
lower case with colons.
"""

from __future__ import annotations

import _socket as socket  # its functions alone: socket itself takes 5 ms
import re
from typing import Final, Literal

Address = bytes
"""4 bytes: IPv4; 16 bytes: IPv6."""

_MAPPED: Final = bytes(10) + b"\xff\xff"
"""::ffff:0:0/96, IPv4 addresses as IPv6 (RFC 4291, 2.5.5.2)."""
_MAC: Final = re.compile(r"[0-9a-f]{2}([:-][0-9a-f]{2}){5}", re.ASCII | re.IGNORECASE)


def parse(text: str) -> Address:
    """Raises ValueError. The text has neither scope nor prefix."""
    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except OSError:
        raise ValueError(f"{text!r} is not an IP address") from None


def queried(query: str) -> Address | None:
    """The address that a user asks for; None: the query is a name.

    A scope is ignored, and an IPv4-mapped address is the IPv4 address, as in reverse lookups.
    """
    try:
        address = parse(query.partition("%")[0])
    except ValueError:
        return None
    return address.removeprefix(_MAPPED) if len(address) == 16 else address


def text(address: Address) -> str:
    """The canonical text."""
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def family(address: Address) -> Literal[4, 6]:
    """4 or 6."""
    return 4 if len(address) == 4 else 6


def has_scope(address: Address) -> bool:
    """Whether it is in fe80::/10, so it says nothing without its interface (RFC 4007)."""
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80


def is_link_local(address: Address) -> bool:
    """Whether it is in fe80::/10 or 169.254.0.0/16 (RFC 3927)."""
    return has_scope(address) or (len(address) == 4 and address.startswith(b"\xa9\xfe"))


def is_host(address: Address) -> bool:
    """Whether a host can have it: not unspecified, loopback, multicast, IPv4-mapped and so on."""
    if len(address) == 4:
        return address[0] not in {0, 127} and address[0] < 224
    return address[0] != 0xFF and address[:10] != bytes(10)


def parse_mac(text: str) -> str:
    """From any case, with `:` or `-`. Raises ValueError."""
    if _MAC.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a MAC")
    return text.lower().replace("-", ":")


def interface_id(mac: str) -> bytes:
    """The last 8 bytes of an IPv6 address that follows from a MAC.

    The modified EUI-64 (RFC 4291, appendix A).
    """
    first, *rest = octets(mac)
    return bytes([first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]])


def octets(text: str) -> bytes:
    """The bytes of colon-separated hex: of a MAC, client id or DUID."""
    return bytes.fromhex(text.replace(":", ""))
