"""Give the leases of a guest that has ended back to dnsmasq, as the guest itself would.

Sent from the host over the bridge; the packets are pyvirt/domains/dhcp_packets.py's.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from pathlib import Path

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.model import Lease, NetworkState
from leasewatch.pyvirt.defined import subnets
from leasewatch.pyvirt.domains import dhcp_packets

_ALL_SERVERS = "ff02::1:2"


def release(network: NetworkState, leases: Iterable[Lease]) -> None:
    """Release `leases` of a started network; what cannot be sent is left to expire.

    dnsmasq answers nothing to an IPv4 release and its lease file changes within milliseconds.
    """
    with contextlib.suppress(OSError):  # the network may be going down beside us
        duid = dhcp_packets.server_duid(Path(network.lease_file).read_bytes())
        for lease in leases:
            if len(lease.address) == 4 and lease.hwaddr:
                _release4(network, lease.address, lease.hwaddr, lease.client_id)
            elif len(lease.address) == 16 and lease.client_id and lease.iaid is not None and duid:
                packet = dhcp_packets.release6(duid, lease.client_id, lease.iaid, lease.address)
                _send6(network.bridge, packet)


def _release4(network: NetworkState, address: Address, hwaddr: str, client_id: str | None) -> None:
    server = subnets.host_address(network.subnets[0]).partition("/")[0]
    packet = dhcp_packets.release4(addresses.parse(server), address, hwaddr, client_id)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, network.bridge.encode())
        sender.sendto(packet, (server, 67))


def _send6(bridge: str, packet: bytes) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(packet, (_ALL_SERVERS, 547, 0, socket.if_nametoindex(bridge)))
