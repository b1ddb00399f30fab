"""Values of lease files, checked: untrusted bytes to typed fields. It knows no file format.

A field that says who has the lease is `optional`: one that cannot be read is left out. Whether,
where and until when the lease holds must be readable: without its end it would hold for ever.
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
"""Hardware type (RFC 1700); dnsmasq and libvirt write any other as a prefix, `06-`."""


class FieldError(Exception):
    """What is wrong with one field; `at` makes the typed error of it."""

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
    """Decimal, of at most 18 digits."""
    if not value.isdigit() or len(value) > 18:
        raise FieldError(field, "Unix seconds" if field == "expires" else "a number", value)
    return int(value)


def address(value: bytes) -> Address:
    """An address that no host can have (`0.0.0.0`, loopback, multicast…) is a fault."""
    try:
        found = addresses.parse(value.decode("ascii"))
    except ValueError:
        raise FieldError("address", "an IP address", value) from None
    if not addresses.is_host(found):
        raise FieldError("address", "a host's address", value)
    return found


def hwaddr(value: bytes) -> str | None:
    """Lower case; a type other than Ethernet stays as a prefix, so it never equals a MAC."""
    match = _HWADDR.fullmatch(value)
    if match is None or not value or len(value) > 64:
        raise FieldError("hwaddr", "colon-separated hex bytes", value)
    kind, octets = match.groups()
    if octets is None:  # `ff-`: a client without a hardware address
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
    """Printable ASCII without spaces; whether it may be a name is for `names` to say."""
    if _NAME.fullmatch(value) is None:
        raise FieldError("hostname", "printable ASCII", value)
    return value.decode("ascii")


def hostname(value: bytes) -> str:
    """What a guest calls itself: a `name`, up to its first dot.

    A guest may qualify it (RFC 2132, 3.14; RFC 4702), and so does Kea (ddns-qualifying-suffix).
    dnsmasq cuts the domain off itself; all servers' guests are to have the same names.
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
    """The bytes of a decoded value; None: there is none."""
    return text.encode("utf-8", "replace") if text else None


def optional(
    parse: Callable[[bytes], _T], value: bytes | None, file: LeaseFile, faults: list[ParseError]
) -> _T | None:
    """`parse(value)`; None without a value, or with one that cannot be read: `faults` gets why."""
    if value is None:
        return None
    try:
        return parse(value)
    except FieldError as error:
        faults.append(LostFieldError(file.path, 0, error.field, error.why))
        return None
