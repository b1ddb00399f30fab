"""Have the kernel look for guests that it does not know, on a bridge of the host.

The neighbour table gets a machine only when the host talks to it, but another router may lease the
addresses. A guest shows its own with each ARP packet (RFC 826). Then the kernel asks for it, so a
guest cannot claim anything by ARP alone.
"""

from __future__ import annotations

import array
import contextlib
import math
import socket
import struct
from collections.abc import Iterator, Mapping

from leasewatch.neighbours import kernel

_ALL, _ARP = 0x0003, 0x0806
"""linux/if_ether.h. A bridge takes frames from its ports before those who listen for ARP alone."""
_SO_ATTACH_FILTER, _SOL_PACKET, _IGNORE_OUTGOING = 26, 263, 23
_PROTOCOL = -0x1000 & 0xFFFFFFFF  # SKF_AD_OFF + SKF_AD_PROTOCOL (linux/filter.h)
_ONLY_ARP = ((0x20, 0, 0, _PROTOCOL), (0x15, 0, 1, _ARP), (0x06, 0, 0, 64), (0x06, 0, 0, 0))
_BUFFER, _MANY = 8192, 64
"""Bytes, and packets: the rest of what a guest sends…"""
_REST = 0.2
"""…within these seconds is dropped."""
_LATER = 10.0
"""Seconds after which an address is asked for once more."""
_AGAIN = 30.0
"""Seconds after which an address is asked for again; another one of the same card after…"""
_OTHER = 1.0
"""…this: each takes room in the neighbour table."""


class ArpSenders:
    """Listens at the taps of guests; `listen` to none ends it."""

    def __init__(self, bridge: str) -> None:
        self._bridge = bridge
        self._macs: dict[str, str] = {}
        """By tap."""
        self._sockets: dict[str, socket.socket] = {}
        self._asked: dict[str, tuple[bytes, float]] = {}
        """By MAC its last address that was asked for, and when."""
        self._again: dict[bytes, float] = {}
        """Addresses to ask for once more, and when: a guest may be too busy to answer."""
        self._rests_until: float | None = None

    @property
    def due(self) -> float | None:
        """When to call `read`, monotonic seconds; None: once one of `filenos` is readable."""
        times = (self._rests_until, *self._again.values())
        return min((at for at in times if at is not None), default=None)

    def filenos(self) -> list[int]:
        """Readable once a guest has sent ARP; none while it rests."""
        return [] if self._rests_until else [one.fileno() for one in self._sockets.values()]

    def listen(self, macs: Mapping[str, str]) -> None:
        """Listen for these guests, by tap the MAC, from now on."""
        for tap in self._macs.keys() - macs.keys():
            self._stop(tap)
        self._macs = dict(macs)
        for tap in macs.keys() - self._sockets.keys():
            with contextlib.suppress(OSError):  # it has just gone
                self._sockets[tap] = _listen(tap)

    def read(self, now: float) -> None:
        """Ask for the senders of what has come, then rest; `now` is in monotonic seconds."""
        if self._rests_until and now < self._rests_until:
            return
        resting, self._rests_until = self._rests_until, None
        for address in [one for one, at in self._again.items() if now >= at]:
            del self._again[address]
            self._seek(address)
        for tap, mac in self._macs.items():
            found = {sender(packet) for packet in self._packets(tap)}
            for one in filter(None, found):
                if one[0] == mac:
                    self._ask(*one, now)
        if resting is None:
            self._rests_until = now + _REST

    def _packets(self, tap: str) -> Iterator[bytes]:
        try:
            for _ in range(_MANY if tap in self._sockets else 0):
                yield self._sockets[tap].recv(64)
        except BlockingIOError:
            pass
        except OSError:
            self._stop(tap)

    def _stop(self, tap: str) -> None:
        if listening := self._sockets.pop(tap, None):
            listening.close()

    def _ask(self, mac: str, address: bytes, now: float) -> None:
        before, asked = self._asked.get(mac, (b"", -math.inf))
        if now >= asked + (_AGAIN if address == before else _OTHER):
            self._asked[mac] = address, now
            self._again[address] = now + _LATER
            self._seek(address)

    def _seek(self, address: bytes) -> None:
        with contextlib.suppress(OSError):
            kernel.seek(socket.if_nametoindex(self._bridge), address)


def sender(packet: bytes) -> tuple[str, bytes] | None:
    """MAC and IPv4 address of who sent an ARP packet; None: a probe, or no such packet."""
    address = packet[14:18]
    if len(packet) < 28 or packet[:6] != bytes.fromhex("000108000604") or not any(address):
        return None
    return packet[8:14].hex(":"), address


def _listen(tap: str) -> socket.socket:
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    listening = socket.socket(socket.AF_PACKET, kind)  # of no protocol, so nothing comes yet
    code = array.array("B", b"".join(struct.pack("=HBBI", *step) for step in _ONLY_ARP))
    program = struct.pack("HP", len(_ONLY_ARP), code.buffer_info()[0])
    try:
        listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
        listening.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listening.bind((tap, _ALL))
    except OSError:
        listening.close()
        raise
    return listening
