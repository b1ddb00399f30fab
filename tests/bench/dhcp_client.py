"""A DHCP client of many machines, on one end of a veth pair: its clock is the packets' own.

DISCOVER, OFFER, REQUEST, ACK (RFC 2131) over a packet socket; what it is given it does not use.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import time
from collections.abc import Iterator

from tests.bench.timing import BenchError

_ETH_P_IP = 0x0800
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h
_DISCOVER, _OFFER, _REQUEST, _ACK = 1, 2, 3, 5
_COOKIE = bytes.fromhex("63825363")
_BROADCAST = b"\xff" * 6
_ATTEMPTS, _PATIENCE = 4, 5.0
"""How often a packet is sent, and how many seconds its answer may take."""


class DhcpClient:
    """Asks on one interface, each time as another machine."""

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_IP))
        self._socket.bind((interface, 0))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._source: bytes = self._socket.getsockname()[4]
        self._machines = 0

    def ask(self, hostname: str) -> float:
        """A lease for a new machine of that name: when its ACK was on the wire, Unix seconds."""
        self._machines += 1
        chaddr = b"\x52\x54\x02" + self._machines.to_bytes(3, "big")
        _, offer = self._exchange(chaddr, hostname, _DISCOVER, _OFFER, b"")
        server = _option(offer, 54)
        chosen = b"\x32\x04" + offer[16:20] + b"\x36\x04" + server
        at, _ = self._exchange(chaddr, hostname, _REQUEST, _ACK, chosen)
        return at

    def close(self) -> None:
        self._socket.close()

    def _exchange(
        self, chaddr: bytes, hostname: str, kind: int, wanted: int, options: bytes
    ) -> tuple[float, bytes]:
        for _ in range(_ATTEMPTS):
            self._socket.send(self._frame(chaddr, hostname, kind, options))
            deadline = time.monotonic() + _PATIENCE
            while (left := deadline - time.monotonic()) > 0:
                self._socket.settimeout(left)
                with contextlib.suppress(TimeoutError):
                    at, message = self._receive()
                    if message[28:34] == chaddr and _option(message, 53) == bytes([wanted]):
                        return at, message
        raise BenchError(f"no answer from the DHCP server for {hostname}")

    def _receive(self) -> tuple[float, bytes]:
        """When a packet came, and the DHCP message in it, if it is one."""
        data, extra, _, _ = self._socket.recvmsg(2048, 64)
        seconds, nanoseconds = struct.unpack("qq", extra[0][2])
        is_reply = data[23:24] == b"\x11" and data[36:38] == b"\x00\x44"  # UDP to port 68
        return seconds + nanoseconds * 1e-9, data[42:] if is_reply else b""

    def _frame(self, chaddr: bytes, hostname: str, kind: int, options: bytes) -> bytes:
        head = struct.pack("!BBBBIHH", 1, 1, 6, 0, self._machines, 0, 0x8000)  # answer to all
        name = b"\x0c" + bytes([len(hostname)]) + hostname.encode("ascii")
        message = (
            head
            + bytes(16)
            + chaddr.ljust(16, b"\0")
            + bytes(192)
            + _COOKIE
            + bytes([53, 1, kind])
            + name
            + options
            + b"\xff"
        )
        udp = struct.pack("!HHHH", 68, 67, 8 + len(message), 0) + message
        ip = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4
        )
        summed = struct.pack("!H", _checksum(ip))
        ethernet = _BROADCAST + self._source + struct.pack("!H", _ETH_P_IP)
        return ethernet + ip[:10] + summed + ip[12:] + udp


@contextlib.contextmanager
def on_bridge(bridge: str) -> Iterator[DhcpClient]:
    """A client at a new port of a bridge."""
    port, end = "bench-port", "bench-client"
    for command in (
        ["add", port, "type", "veth", "peer", "name", end],
        ["set", port, "master", bridge, "up"],
        ["set", end, "up"],
    ):
        subprocess.run(["ip", "link", *command], check=True)
    client = DhcpClient(end)
    try:
        yield client
    finally:
        client.close()
        subprocess.run(["ip", "link", "delete", port], check=True)


def _option(message: bytes, code: int) -> bytes:
    """The value of an option; empty where the message has none."""
    rest = message[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        if rest[0] == code:
            return rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    return b""


def _checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
