"""Values of lease files, checked: untrusted bytes to typed fields. It knows no file format.

A field that says who has the lease is `optional`: one that cannot be read is left out. Whether,
where and until when the lease holds must be readable: without its end it would hold for ever.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Literal, TypeVar

from leasewatch.errors import LostFieldError, ParseError
from leasewatch.model import LeaseFile

_HEX_PAIRS = rb"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})*"
_HWADDR = re.compile(rb"(?:([0-9A-Fa-f]{2,4})-)?(%s)?" % _HEX_PAIRS)
_CLIENT_ID = re.compile(_HEX_PAIRS)
_NAME = re.compile(rb"[!-~]{1,255}")
_MAC = re.compile(rb"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}")
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


def address(value: bytes) -> tuple[Literal[4, 6], str]:
    """Canonical text; an address that is nobody's (`0.0.0.0`, loopback, multicast…) is a fault."""
    family: Literal[4, 6] = 6 if b":" in value else 4
    af = socket.AF_INET6 if family == 6 else socket.AF_INET
    try:
        packed = socket.inet_pton(af, value.decode("ascii"))
    except (OSError, ValueError):
        raise FieldError("address", "an IP address", value) from None
    if _is_no_host(packed):
        raise FieldError("address", "a host's address", value)
    return family, socket.inet_ntop(af, packed)


def _is_no_host(packed: bytes) -> bool:
    if len(packed) == 4:
        return packed[0] in {0, 127} or packed[0] >= 224
    return packed[0] == 0xFF or packed[:10] == bytes(10)


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
    if _MAC.fullmatch(value) is None:
        raise FieldError("mac", "six colon-separated hex bytes", value)
    return value.decode("ascii").lower()


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
