"""Take back what a run of a domain has left, whether or not its parent could do so itself.

It starts nothing.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from leasewatch.model import Lease, LeaseFile, NetworkState
from leasewatch.neighbours import kernel
from leasewatch.pyvirt.domains import dhcp_release
from leasewatch.pyvirt.files import DomainFiles, NetworkFiles, domain_state, network_state
from leasewatch.pyvirt.mac_filter.apply import refresh_filter
from leasewatch.pyvirt.networks import hosts_entries
from leasewatch.sources import dnsmasq
from nss_pyvirt.errors import UserError


def sweep(files: DomainFiles) -> None:
    """Take back what a run has left.

    Leases, hosts.d entries, what the host knows of its cards, sockets, and last the run state.

    Only for the one who holds the domain's lock. Taps go with the process that had them open.
    """
    state = domain_state(files)
    if state is None:
        return
    macs = {nic.mac for nic in state.nics}
    hosts_entries.tell_ended(files.paths, files.name)
    networks = {nic.network for nic in state.nics}
    for network in networks:
        running = network_state(NetworkFiles(files.paths, network))
        if running is not None:
            dhcp_release.release(running, _leases(running, macs))
            kernel.forget_macs(running.bridge, macs)
    for socket in (files.qmp, files.console):
        socket.unlink(missing_ok=True)
    files.state.unlink()
    with contextlib.suppress(UserError):  # said when it was made
        refresh_filter(files.paths, networks, ended=state)


def _leases(network: NetworkState, macs: set[str]) -> list[Lease]:
    """The leases of `macs`: IPv4 ones as the lease file says, IPv6 ones as the bridge has seen.

    A DUID may hold whatever MAC its guest puts there.
    """
    file = LeaseFile(path=network.lease_file, network=network.name, suffix=network.suffix)
    try:
        leases, _ = dnsmasq.parse(Path(file.path).read_bytes(), file)
    except OSError:
        return []
    found = [lease for lease in leases if lease.hwaddr in macs]
    seen = kernel.ipv6(network.bridge)
    return found + [lease for lease in leases if seen.get(lease.address) in macs]
