"""Which ARP packets show where a guest is."""

from __future__ import annotations

import struct

import pytest

from leasewatch.pyvirt.networks.arp_senders import sender

MAC, ADDRESS = bytes.fromhex("525400000001"), bytes([10, 9, 0, 5])


def packet(**change: object) -> bytes:
    """A request for 10.9.0.1."""
    fields = {"kind": 1, "of": 0x0800, "sizes": 0x0604, "asks": 1, "mac": MAC, "address": ADDRESS}
    head = struct.pack("!HHHH6s4s", *(fields | change).values())
    return head + bytes(6) + bytes([10, 9, 0, 1])


def test_requests_and_announcements_show_their_sender() -> None:
    assert sender(packet()) == ("52:54:00:00:00:01", ADDRESS)
    assert sender(packet(asks=2) + bytes(18)) == ("52:54:00:00:00:01", ADDRESS)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", packet()[:27], packet(kind=6), packet(of=0x86DD), packet(sizes=0x0810)),
        packet(address=bytes(4)),
    ],
)
def test_a_probe_and_anything_else_show_nobody(data: bytes) -> None:
    assert sender(data) is None
