"""Whether a network has an IPv4 address left for another guest."""

from __future__ import annotations

from leasewatch.model import NetworkState
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store, subnets
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.files import NetworkFiles
from leasewatch.sources import dnsmasq


def is_full(paths: Paths, network: NetworkState) -> bool:
    """Count the leased addresses and the fixed ones of domains."""
    count = subnets.guest_count(network.subnets[0])
    taken = _leased(NetworkFiles(paths, network.name))
    if len(taken) < count / 2:
        return False  # domains are not read for nothing; hardly anybody reserves so many
    domains = store.readable(paths.domain_definitions, DomainDefinition)
    reserved = {
        nic.address
        for domain in domains
        for nic in domain.nics
        if nic.network == network.name and nic.address
    }
    return len(taken | reserved) >= count


def _leased(files: NetworkFiles) -> set[str]:
    try:
        lines = files.leases.read_bytes().split(b"\n")
    except OSError:
        return set()
    leases = filter(None, map(dnsmasq.columns, lines))
    return {lease.address.decode(errors="replace") for lease in leases if lease.is_ipv4}
