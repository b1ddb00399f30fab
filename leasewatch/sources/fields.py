"""Checks the values of lease files: untrusted bytes to typed fields, of any format.

Fields that say who has the lease are `optional`: an unreadable one is omitted. The address and the
end must be readable, because a lease without its end would hold for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.errors import LostFieldError, ParseError
from leasewatch.model import LeaseFile

_HEX_PAIRS = rb"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*"
_HWADDR = re.compile(rb"(?:([0-9A-Fa-f]{2,4})-)?(%s)?" % _HEX_PAIRS)
_CLIENT_ID = re.compile(_HEX_PAIRS)
_NAME = re.compile(rb"[!-~]{1,255}")
_T = TypeVar("_T")
_ETHERNET = 1
"""Hardware type (RFC 1700). dnsmasq and libvirt write any other as a prefix, `06-`."""


class FieldError(Exception):
    """What is wrong with one field; `at` adds the place."""

    def __init__(self, field: str, expected: str, got: bytes) -> None:
        super().__init__(field)
        self.field = field
        self.why = f"expected {expected}, got {show(got)}"

    def at(self, file: LeaseFile | str, line: int = 0) -> ParseError:
        """The error with its place."""
        path = file if isinstance(file, str) else file.path
        return ParseError(path, line, self.field, self.why)


def show(value: bytes) -> str:
    """At most 60 bytes of an untrusted value, safe to print."""
    return repr(value[:60])[1:] + ("…" if len(value) > 60 else "")


def number(field: str, value: bytes) -> int:
    """A decimal number of at most 18 digits."""
    if not value.isdigit() or len(value) > 18:
        raise FieldError(field, "Unix seconds" if field == "expires" else "a number", value)
    return int(value)


def address(value: bytes) -> Address:
    """A host's address. FieldError for `0.0.0.0`, loopback, multicast and so on."""
    try:
        found = addresses.parse(value.decode("ascii"))
    except ValueError:
        raise FieldError("address", "an IP address", value) from None
    if not addresses.is_host(found):
        raise FieldError("address", "a host's address", value)
    return found


def hwaddr(value: bytes) -> str | None:
    """Lower case. A type other than Ethernet stays as a prefix, so it never equals a MAC."""
    match = _HWADDR.fullmatch(value)
    if match is None or not value or len(value) > 64:
        raise FieldError("hwaddr", "colon-separated hex bytes", value)
    kind, octets = match.groups()
    if octets is None:  # `ff-`: the client has none
        return None
    if kind is not None and int(kind, 16) != _ETHERNET:
        return value.decode("ascii").lower()
    return str(octets, "ascii").lower()


def mac(value: bytes) -> str:
    """An Ethernet address, lower case."""
    try:
        return addresses.parse_mac(value.decode("ascii"))
    except ValueError:
        raise FieldError("mac", "six colon-separated hex bytes", value) from None


def name(value: bytes) -> str:
    """Printable ASCII without spaces. `names` decides whether it may be a name."""
    if _NAME.fullmatch(value) is None:
        raise FieldError("hostname", "printable ASCII", value)
    return value.decode("ascii")


def hostname(value: bytes) -> str:
    """The hostname that a guest sent, up to its first dot.

    A guest may qualify it (RFC 2132, 3.14; RFC 4702), and so does Kea (ddns-qualifying-suffix).
    dnsmasq removes the domain itself, so with any server a guest has the same name.
    """
    label = name(value).partition(".")[0]
    if not label:
        raise FieldError("hostname", "a label before the first dot", value)
    return label


def client_id(value: bytes) -> str:
    """A client id or DUID: colon-separated hex bytes, lower case."""
    if _CLIENT_ID.fullmatch(value) is None:
        raise FieldError("client-id", "colon-separated hex bytes", value)
    return value.decode("ascii").lower()


def iaid(value: bytes) -> int:
    """A DHCPv6 identity association's number, 32 bits."""
    if not value.isdigit() or len(value) > 10 or int(value) > 0xFFFFFFFF:
        raise FieldError("IAID", "a 32-bit decimal number", value)
    return int(value)


def encoded(text: str | None) -> bytes | None:
    """The bytes of a text; None: it is missing or empty."""
    return text.encode("utf-8", "replace") if text else None


def optional(
    parse: Callable[[bytes], _T], value: bytes | None, file: LeaseFile, faults: list[ParseError]
) -> _T | None:
    """`parse(value)`, or None without a readable value; then `faults` gets the reason."""
    if value is None:
        return None
    try:
        return parse(value)
    except FieldError as error:
        faults.append(LostFieldError(file.path, 0, error.field, error.why))
        return None
