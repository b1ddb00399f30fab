"""Whether an IPv4 address of a network can be fixed for one machine. It changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable

from leasewatch import addresses
from leasewatch.model import LeaseFile
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import subnets
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.files import NetworkFiles
from leasewatch.sources import dnsmasq
from nss_pyvirt.errors import UserError


def check_free(
    paths: Paths, network: Network, address: str, mac: str, domains: Iterable[DomainDefinition]
) -> None:
    """UserError unless `mac` can have it: a guest's, reserved for no other, and not leased.

    `domains` are the others. On a bridged network pyvirt gives no addresses, so only theirs count.
    """
    domains = list(domains)
    if network.subnet:
        subnets.check_guest(address, network.name, network.subnet)
    for domain in domains:
        if any((nic.network, nic.address) == (network.name, address) for nic in domain.nics):
            what = f"{address} belongs to domain {domain.name} on network {network.name}"
            raise UserError(what, f"pyvirt domain show {domain.name}", "exists")
    for each in network.reserved:
        if each.address == address and each.mac != mac:
            what = f"{address} is reserved for {each.name} on network {network.name}"
            remove = f"sudo pyvirt network reserve {network.name} {each.name} --remove"
            raise UserError(what, remove, "exists")
    owners = {nic.mac: f"domain {domain.name}" for domain in domains for nic in domain.nics}
    file = NetworkFiles(paths, network.name).leases
    data = file.read_bytes() if file.exists() else b""
    leases, _ = dnsmasq.parse(data, LeaseFile(path=str(file), network=network.name, suffix=""))
    for lease in leases:
        ended = 0 < lease.expires <= time.time()
        if addresses.text(lease.address) == address and lease.hwaddr != mac and not ended:
            holder = owners.get(lease.hwaddr or "", f"a machine with MAC {lease.hwaddr}")
            raise UserError(
                f"{address} is leased to {holder} on network {network.name}",
                "use another one, or shut that machine down first",
                "exists",
            )
