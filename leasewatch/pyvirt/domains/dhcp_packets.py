"""The packets by which a client gives its lease back (RFC 2131 4.4.6, RFC 8415 18.2.7). Pure."""

from __future__ import annotations

import struct

from leasewatch.addresses import Address, octets

_COOKIE = bytes.fromhex("63825363")
_RELEASE4, _RELEASE6 = 7, 8


def release4(server: Address, address: Address, hwaddr: str, client_id: str | None) -> bytes:
    """DHCPRELEASE of the IPv4 `address`; `hwaddr` and `client_id` as a lease file writes them."""
    kind, _, mac = hwaddr.rpartition("-")  # `06-52:54:…` where it is not Ethernet
    chaddr = octets(mac)
    head = struct.pack("!BBBBIHH", 1, int(kind or "1", 16), len(chaddr), 0, 0, 0, 0)
    fixed = head + address + bytes(12) + chaddr.ljust(16, b"\0") + bytes(192)
    options = bytes([53, 1, _RELEASE4, 54, 4]) + server
    if client_id:
        identifier = octets(client_id)
        options += bytes([61, len(identifier)]) + identifier
    return fixed + _COOKIE + options + b"\xff"


def release6(server_duid: bytes, duid: str, iaid: int, address: Address) -> bytes:
    """RELEASE of one non-temporary `address`; `duid` as a lease file writes it."""
    held = _option6(5, address + bytes(8))
    association = _option6(3, struct.pack("!III", iaid, 0, 0) + held)
    head = struct.pack("!I", _RELEASE6 << 24)  # a transaction id of 0: nobody waits for the reply
    return head + _option6(1, octets(duid)) + _option6(2, server_duid) + association


def server_duid(lease_file: bytes) -> bytes | None:
    """What dnsmasq calls itself: the `duid` line of its lease file."""
    for line in lease_file.split(b"\n")[:-1]:
        if line.startswith(b"duid "):
            return octets(line[5:].decode("ascii", "replace"))
    return None


def _option6(code: int, value: bytes) -> bytes:
    return struct.pack("!HH", code, len(value)) + value
