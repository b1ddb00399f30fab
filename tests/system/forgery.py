"""Frames in which a machine lies: DHCP and neighbour discovery, byte by byte. It sends none."""

from __future__ import annotations

import socket
import struct
from typing import Final

REQUEST, DECLINE, RELEASE = 3, 4, 7
EVERYBODY: Final = "ff:ff:ff:ff:ff:ff"


def dhcp(
    kind: int,
    chaddr: str,
    *,
    source: str,
    server: str,
    address: str,
    options: bytes = b"",
    first_fragment: int = 0,
) -> list[str]:
    """A client's message as frames in hex: one, or two if `first_fragment` bytes go before.

    `source` is the MAC in the frame, `chaddr` that in the message. A REQUEST selects `address` from
    `server` (RFC 2131 4.3.2), which needs no offer before it; a RELEASE or DECLINE gives it back.
    `options`: further ones, encoded.
    """
    held = address if kind == RELEASE else "0.0.0.0"
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, 0x7E57, 0, 0x8000)
    message = head + socket.inet_aton(held) + bytes(12) + _mac(chaddr).ljust(16, b"\0") + bytes(192)
    message += bytes.fromhex("63825363") + option(53, bytes([kind]))
    message += option(54, socket.inet_aton(server))
    if kind in (REQUEST, DECLINE):
        message += option(50, socket.inet_aton(address))
    message += options + b"\xff"
    datagram = struct.pack("!HHHH", 68, 67, 8 + len(message), 0) + message  # no checksum: allowed
    to = server if kind == RELEASE else "255.255.255.255"
    cut = first_fragment or len(datagram)
    pieces = [(0, datagram[:cut]), (cut, datagram[cut:])]
    return [
        _frame(source, 0x0800, _ipv4(held, to, part, at, more=at + len(part) < len(datagram)))
        for at, part in pieces
        if part
    ]


def option(code: int, value: bytes) -> bytes:
    """A DHCP option."""
    return bytes([code, len(value)]) + value


def solicitation(address: str, mac: str, *, source: str, asked: str) -> list[str]:
    """A neighbour solicitation for `asked` by which `address` is at `mac` (RFC 4861 4.3).

    `source` is the MAC in the frame.
    """
    target = socket.inet_pton(socket.AF_INET6, asked)
    body = bytes(4) + target + bytes([1, 1]) + _mac(mac)
    ends = socket.inet_pton(socket.AF_INET6, address) + target
    pseudo = ends + struct.pack("!II", 4 + len(body), 58)
    total = _checksum(pseudo + bytes([135, 0, 0, 0]) + body)
    message = struct.pack("!BBH", 135, 0, total) + body
    packet = struct.pack("!IHBB", 6 << 28, len(message), 58, 255) + ends + message
    return [_frame(source, 0x86DD, packet)]


def arp(address: str, mac: str, *, source: str, asked: str) -> list[str]:
    """An ARP request for `asked` by which `address` is at `mac`, in a frame from `source`."""
    packet = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + _mac(mac) + socket.inet_aton(address)
    return [_frame(source, 0x0806, packet + bytes(6) + socket.inet_aton(asked))]


def _frame(source: str, kind: int, packet: bytes) -> str:
    frame = _mac(EVERYBODY) + _mac(source) + struct.pack("!H", kind) + packet
    return frame.ljust(60, b"\0").hex()


def _ipv4(source: str, to: str, payload: bytes, at: int, *, more: bool) -> bytes:
    place = at // 8 | (0x2000 if more else 0)
    fields = (0x45, 0, 20 + len(payload), 0x7E57, place, 64, 17)
    ends = socket.inet_aton(source) + socket.inet_aton(to)
    total = _checksum(struct.pack("!BBHHHBBH", *fields, 0) + ends)
    return struct.pack("!BBHHHBBH", *fields, total) + ends + payload


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    words: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    return ~words & 0xFFFF


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))
