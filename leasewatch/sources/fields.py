"""Checks the values of lease files: untrusted bytes to typed fields, of any format.

Fields that say who has the lease are `optional`: an unreadable one is omitted. The address and the
end must be readable. Each check takes a value and the path of its file, and raises ParseError.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.errors import LostFieldError, ParseError

_HWADDR = re.compile(rb"(?:([0-9A-Fa-f]{2,4})-)?([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){0,19})?")
_CLIENT_ID = re.compile(rb"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*")
NAME = re.compile(rb"[!-~]{1,255}")
"""Printable ASCII without spaces."""
_T = TypeVar("_T")
_ETHERNET = 1
"""Hardware type (RFC 1700). dnsmasq and libvirt write any other as a prefix, `06-`."""


def show(value: bytes) -> str:
    """At most 60 bytes of an untrusted value, safe to print."""
    return repr(value[:60])[1:] + ("…" if len(value) > 60 else "")


def fault(path: str, field: str, expected: str, got: bytes) -> ParseError:
    """The error that a field is not as expected."""
    return ParseError(path, 0, field, f"expected {expected}, got {show(got)}")


def number(field: str, value: bytes, path: str) -> int:
    """A decimal number of at most 18 digits."""
    if not value.isdigit() or len(value) > 18:
        raise fault(path, field, "Unix seconds" if field == "expires" else "a number", value)
    return int(value)


def address(value: bytes, path: str) -> Address:
    """A host's address, so not `0.0.0.0`, loopback, multicast and so on."""
    try:
        found = addresses.parse(value.decode("ascii"))
    except ValueError:
        raise fault(path, "address", "an IP address", value) from None
    if not addresses.is_host(found):
        raise fault(path, "address", "a host's address", value)
    return found


def hwaddr(value: bytes, path: str) -> str | None:
    """Lower case. A type other than Ethernet stays as a prefix, so it never equals a MAC."""
    match = _HWADDR.fullmatch(value)
    if match is None or not value:
        raise fault(path, "hwaddr", "colon-separated hex bytes", value)
    kind, octets = match.groups()
    if octets is None:  # `ff-`: the client has none
        return None
    typed = kind is not None and int(kind, 16) != _ETHERNET
    return (value if typed else octets).decode("ascii").lower()


def mac(value: bytes, path: str) -> str:
    """An Ethernet address, lower case."""
    try:
        return addresses.parse_mac(value.decode("ascii"))
    except ValueError:
        raise fault(path, "mac", "six colon-separated hex bytes", value) from None


def hostname(value: bytes, path: str) -> str:
    """The hostname that a guest sent, up to its first dot. `names` decides whether it may be used.

    A guest may add a domain (RFC 2132, 3.14; RFC 4702), and so may Kea (ddns-qualifying-suffix).
    dnsmasq removes it, so a guest has the same name with every server.
    """
    label = value.partition(b".")[0]
    if not label or NAME.fullmatch(value) is None:
        raise fault(path, "hostname", "printable ASCII, a label first", value)
    return label.decode("ascii")


def client_id(value: bytes, path: str) -> str:
    """A client id or DUID: colon-separated hex bytes, lower case."""
    if _CLIENT_ID.fullmatch(value) is None:
        raise fault(path, "client-id", "colon-separated hex bytes", value)
    return value.decode("ascii").lower()


def iaid(value: bytes, path: str) -> int:
    """A DHCPv6 identity association's number, 32 bits."""
    if not value.isdigit() or len(value) > 10 or int(value) > 0xFFFFFFFF:
        raise fault(path, "IAID", "a 32-bit decimal number", value)
    return int(value)


def encoded(text: str | None) -> bytes | None:
    """The bytes of a text; None: it is missing or empty."""
    return text.encode("utf-8", "replace") if text else None


def optional(
    parse: Callable[[bytes, str], _T], value: bytes | None, path: str, faults: list[ParseError]
) -> _T | None:
    """`parse(value)`, or None without a readable value; then `faults` gets the reason."""
    if value is None:
        return None
    try:
        return parse(value, path)
    except ParseError as error:
        faults.append(LostFieldError(path, 0, error.field, error.why))
        return None
