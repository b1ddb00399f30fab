"""Frames in which a machine lies, byte by byte. It sends none."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Final

DISCOVER, REQUEST, DECLINE, RELEASE = 1, 3, 4, 7
EVERYBODY: Final = "ff:ff:ff:ff:ff:ff"
SEND: Final = "/run/send"
"""Where a world has what puts frames on the wire (the fixture send_frames)."""


def dhcp(
    kind: int,
    chaddr: str,
    *,
    source: str,
    server: str,
    address: str,
    options: bytes = b"",
    first_fragment: int = 0,
    broadcast: bool = True,
) -> list[str]:
    """A client's message as frames in hex: one, or two if `first_fragment` bytes go before.

    `source` is the MAC in the frame, `chaddr` that in the message. A REQUEST selects `address` from
    `server` (RFC 2131 4.3.2), which needs no offer before it; a RELEASE or DECLINE gives it back.
    `options`: further ones, encoded. `broadcast`: it wants the answer sent to all.
    """
    held = address if kind == RELEASE else "0.0.0.0"
    head = struct.pack("!BBBBIHH", 1, 1, 6, 0, 0x7E57, 0, 0x8000 * broadcast)
    message = (
        head + socket.inet_aton(held) + bytes(12) + mac_bytes(chaddr).ljust(16, b"\0") + bytes(192)
    )
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
        ethernet(source, 0x0800, ipv4(held, to, part, at=at, more=at + len(part) < len(datagram)))
        for at, part in pieces
        if part
    ]


def lease6(duid: bytes, source: str, link: str = "::", relay_of: str | None = None) -> bytes:
    """A DHCPv6 message that asks for a lease at once (RFC 8415 16.2, 21.14), as an IPv6 packet.

    `relay_of`: as of a relay on the network of `link` by which the client has this MAC (RFC 6939).
    """
    message = bytes([1, 0, 0x7E, 0x57]) + option6(1, duid) + option6(14, b"")
    message += option6(3, struct.pack("!III", 7, 0, 0))
    if relay_of is not None:
        head = bytes([12, 0]) + _ends6(link, source)
        client = option6(79, struct.pack("!H", 1) + mac_bytes(relay_of))
        message = head + option6(18, b"port") + client + option6(9, message)
    servers = "ff02::1:2"
    datagram = udp(547 if relay_of else 546, 547, message)
    ends = _ends6(source, servers) + struct.pack("!II", len(datagram), 17)
    total = _checksum(ends + datagram)
    return ipv6(source, servers, 17, datagram[:6] + struct.pack("!H", total) + datagram[8:])


def option6(code: int, value: bytes) -> bytes:
    """A DHCPv6 option."""
    return struct.pack("!HH", code, len(value)) + value


def option(code: int, value: bytes) -> bytes:
    """A DHCP option."""
    return bytes([code, len(value)]) + value


def solicitation(address: str, mac: str, *, source: str, asked: str) -> list[str]:
    """A neighbour solicitation for `asked` by which `address` is at `mac` (RFC 4861 4.3).

    `source` is the MAC in the frame.
    """
    return [ethernet(source, 0x86DD, discovery(135, address, asked, asked, link_layer(1, mac)))]


def discovery(
    kind: int,
    source: str,
    to: str,
    target: str | None,
    options: bytes = b"",
    *,
    between: Sequence[tuple[int, bytes]] = (),
    hop_limit: int = 255,
) -> bytes:
    """An ICMPv6 packet of router or neighbour discovery (RFC 4861 4), by its type.

    `target` is in those of types 135 to 137. `between`: extension headers, as number and the rest
    behind their first byte.
    """
    body = {134: bytes.fromhex("40000708") + bytes(8), 136: bytes.fromhex("20000000")}.get(
        kind, bytes(4)
    )
    if target is not None:
        body += socket.inet_pton(socket.AF_INET6, target)
    if kind == 137:
        body += socket.inet_pton(socket.AF_INET6, to)
    message = icmp6(kind, body + options, source, to)
    return ipv6(source, to, 58, message, between=between, hop_limit=hop_limit)


def link_layer(kind: int, mac: str) -> bytes:
    """An option with somebody's MAC: 1 its sender's, 2 its target's."""
    return bytes([kind, 1]) + mac_bytes(mac)


def icmp6(kind: int, body: bytes, source: str, to: str) -> bytes:
    """An ICMPv6 message, its checksum right (RFC 4443 2.3)."""
    ends = _ends6(source, to)
    total = _checksum(ends + struct.pack("!II", 4 + len(body), 58) + bytes([kind, 0, 0, 0]) + body)
    return struct.pack("!BBH", kind, 0, total) + body


def ipv6(
    source: str,
    to: str,
    kind: int,
    payload: bytes,
    *,
    between: Sequence[tuple[int, bytes]] = (),
    hop_limit: int = 255,
) -> bytes:
    """An IPv6 packet, with extension headers `between` header and payload (see `discovery`)."""
    kinds = [number for number, _ in between] + [kind]
    headers = b"".join(
        bytes([then]) + rest for then, (_, rest) in zip(kinds[1:], between, strict=True)
    )
    length = len(headers) + len(payload)
    head = struct.pack("!IHBB", 6 << 28, length, kinds[0], hop_limit) + _ends6(source, to)
    return head + headers + payload


PAD: Final = bytes.fromhex("00010400000000")
"""What is in an otherwise empty header of options behind its first byte (RFC 8200 4.2)."""


def fragment(offset: int, *, more: bool) -> tuple[int, bytes]:
    """A fragment header of IPv6, `offset` in bytes (RFC 8200 4.5)."""
    return 44, struct.pack("!BHI", 0, offset | more, 0x7E57)


def udp(source: int, to: int, payload: bytes) -> bytes:
    """A datagram without a checksum, which IPv4 allows."""
    return struct.pack("!HHHH", source, to, 8 + len(payload), 0) + payload


def arp(
    address: str,
    mac: str,
    *,
    source: str,
    asked: str,
    operation: int = 1,
    shape: str = "000108000604",
) -> list[str]:
    """An ARP packet about `asked` by which `address` is at `mac`, in a frame from `source`.

    `shape`: kinds and lengths of addresses, in hex.
    """
    packet = bytes.fromhex(shape) + struct.pack("!H", operation)
    packet += mac_bytes(mac) + socket.inet_aton(address)
    return [ethernet(source, 0x0806, packet + bytes(6) + socket.inet_aton(asked))]


def ethernet(source: str, kind: int, packet: bytes, to: str = EVERYBODY) -> str:
    """A frame in hex."""
    frame = mac_bytes(to) + mac_bytes(source) + struct.pack("!H", kind) + packet
    return frame.ljust(60, b"\0").hex()


def tagged(frame: str, *tags: str) -> str:
    """The frame with VLAN tags, as four bytes in hex each, the outermost first."""
    return frame[:24] + "".join(tags) + frame[24:]


def ipv4(
    source: str,
    to: str,
    payload: bytes,
    *,
    protocol: int = 17,
    at: int = 0,
    more: bool = False,
    options: bytes = b"",
) -> bytes:
    """An IPv4 packet, or the fragment of one that begins `at` that byte of it."""
    place = at // 8 | (0x2000 if more else 0)
    words = 5 + len(options) // 4
    fields = (0x40 | words, 0, 4 * words + len(payload), 0x7E57, place, 64, protocol)
    ends = socket.inet_aton(source) + socket.inet_aton(to) + options
    total = _checksum(struct.pack("!BBHHHBBH", *fields, 0) + ends)
    return struct.pack("!BBHHHBBH", *fields, total) + ends + payload


def _ends6(source: str, to: str) -> bytes:
    return b"".join(socket.inet_pton(socket.AF_INET6, one) for one in (source, to))


def _checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    words: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while words >> 16:
        words = (words & 0xFFFF) + (words >> 16)
    return ~words & 0xFFFF


def mac_bytes(text: str) -> bytes:
    """A MAC as it is on the wire."""
    return bytes.fromhex(text.replace(":", ""))
