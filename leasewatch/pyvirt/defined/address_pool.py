"""Whether a network has an IPv4 address left for another guest."""

from __future__ import annotations

import contextlib

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store, subnets
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.files import NetworkFiles
from leasewatch.sources import dnsmasq
from nss_pyvirt.errors import UserError


def is_full(paths: Paths, network: str, subnet: str) -> bool:
    """Whether every address of a network's IPv4 subnet is leased, or fixed for a machine."""
    taken = set()
    with contextlib.suppress(OSError):
        lines = NetworkFiles(paths, network).leases.read_bytes().split(b"\n")
        leases = filter(None, map(dnsmasq.columns, lines))
        taken = {lease.address.decode(errors="replace") for lease in leases if lease.is_ipv4}
    for domain in store.readable(paths.domain_definitions, DomainDefinition):
        taken |= {nic.address for nic in domain.nics if nic.network == network and nic.address}
    with contextlib.suppress(UserError):
        defined = store.read(paths.network_definitions, network, Network)
        taken |= {one.address for one in defined.reserved}
    return len(taken) >= subnets.guest_count(subnet)
