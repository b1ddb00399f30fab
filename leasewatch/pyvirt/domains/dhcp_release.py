"""Give the leases of a guest that has ended back to dnsmasq, as the guest itself would.

The host sends over the bridge what the client would send (RFC 2131 4.4.6, RFC 8415 18.2.7).
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable
from pathlib import Path

from leasewatch import addresses
from leasewatch.addresses import Address, octets
from leasewatch.model import Lease, NetworkState
from leasewatch.pyvirt.defined import subnets
from leasewatch.sources import dnsmasq

_ALL_SERVERS = "ff02::1:2"
_COOKIE = bytes.fromhex("63825363")
_RELEASE4, _RELEASE6 = 7, 8


def release(network: NetworkState, leases: Iterable[Lease]) -> None:
    """Release `leases` of a started network; what cannot be sent is left to expire.

    dnsmasq answers nothing to an IPv4 release and its lease file changes within milliseconds.
    """
    with contextlib.suppress(OSError):  # the network may be going down beside us
        written = dnsmasq.server_duid(Path(network.lease_file).read_bytes())
        duid = octets(written.decode("ascii", "replace")) if written else None
        for lease in leases:
            if len(lease.address) == 4 and lease.hwaddr:
                _release4(network, lease.address, lease.hwaddr, lease.client_id)
            elif len(lease.address) == 16 and lease.client_id and lease.iaid is not None and duid:
                packet = release6(duid, lease.client_id, lease.iaid, lease.address)
                _send6(network.bridge, packet)


def _release4(network: NetworkState, address: Address, hwaddr: str, client_id: str | None) -> None:
    server = subnets.host_address(network.subnets[0]).partition("/")[0]
    packet = release4(addresses.parse(server), address, hwaddr, client_id)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, network.bridge.encode())
        sender.sendto(packet, (server, 67))


def _send6(bridge: str, packet: bytes) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(packet, (_ALL_SERVERS, 547, 0, socket.if_nametoindex(bridge)))


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
    head = struct.pack("!I", _RELEASE6 << 24)  # a transaction id of 0: the reply is not read
    return head + _option6(1, octets(duid)) + _option6(2, server_duid) + association


def _option6(code: int, value: bytes) -> bytes:
    return struct.pack("!HH", code, len(value)) + value
