"""The leases that the DHCP server of a network has given, from its lease file. For any user."""

from __future__ import annotations

import ipaddress
import time

from leasewatch import addresses
from leasewatch.model import Lease, LeaseFile
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.files import NetworkFiles
from leasewatch.sources import dnsmasq
from nss_pyvirt.errors import UserError


def read(paths: Paths, network: str) -> list[Lease]:
    """Every lease in the file, also those that have run out; OSError without a file."""
    file = LeaseFile(path=str(NetworkFiles(paths, network).leases), network=network, suffix="")
    leases, _ = dnsmasq.parse(dnsmasq.PYVIRT.reader(file.path)(b"").data, file)
    return leases


def of(paths: Paths, name: str) -> list[dict[str, object]]:
    """A row for each lease that has not run out, by address.

    `address` has its prefix length, `expires` is in Unix seconds, None: never. UserError for an
    unknown network, and for a bridged one, whose leases another server gives.
    """
    network = store.read(paths.network_definitions, name, Network)
    if network.bridge:
        what = f"the leases of network {name} are at the DHCP server of its bridge {network.bridge}"
        raise UserError(what, f"leasewatch list --network {name}", "unavailable")
    subnets = [ipaddress.ip_network(one) for one in (network.subnet, network.subnet6) if one]
    try:
        leases = read(paths, name)
    except FileNotFoundError:  # it has never been started
        return []
    now = time.time()
    found = (lease for lease in leases if not 0 < lease.expires <= now)
    return [
        {
            "expires": lease.expires or None,
            "mac": lease.hwaddr,
            "protocol": "ipv4" if len(lease.address) == 4 else "ipv6",
            "address": _with_prefix(addresses.text(lease.address), subnets),
            "hostname": lease.hostname,
            "client_id": lease.client_id,
        }
        for lease in sorted(found, key=lambda one: (len(one.address), one.address))
    ]


def _with_prefix(text: str, subnets: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> str:
    address = ipaddress.ip_address(text)
    return next((f"{text}/{each.prefixlen}" for each in subnets if address in each), text)
