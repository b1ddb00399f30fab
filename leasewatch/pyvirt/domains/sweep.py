"""Clean up after a run of a domain, also if its parent was killed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from leasewatch.model import Lease, LeaseFile, NetworkState
from leasewatch.neighbours import kernel
from leasewatch.pyvirt.domains import dhcp_release
from leasewatch.pyvirt.domains.listing import SAVED
from leasewatch.pyvirt.files import (
    DomainEnd,
    DomainFiles,
    NetworkFiles,
    domain_state,
    network_state,
)
from leasewatch.pyvirt.mac_filter.apply import refresh_filter
from leasewatch.pyvirt.networks import hosts_entries
from leasewatch.sources import dnsmasq
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError


def sweep(files: DomainFiles, why: str, close_taps: Callable[[], None] = lambda: None) -> None:
    """Release leases, and remove hosts.d entries, neighbour entries, sockets and the run state.

    A guest that is saved keeps its leases: it goes on with them.

    `why` it has ended is kept in `files.ended`. The caller must hold the domain's lock. Taps vanish
    with the process that had them open; the kernel needs 10 ms for one, so `close_taps` is called
    while nft works.
    """
    state = domain_state(files)
    if state is None:
        return
    is_saved = files.saved.exists()  # and goes on later, with its leases
    if is_saved:
        why = SAVED
    is_elsewhere = files.handed_over.exists()  # its guest goes on, on a bridged network as before
    macs = {nic.mac for nic in state.nics}
    hosts_entries.reduce(files.paths, files.name)
    networks = {nic.network for nic in state.nics}
    for network in networks:
        running = network_state(NetworkFiles(files.paths, network))
        if running is not None:
            if running.lease_file and not is_saved:
                dhcp_release.release(running, _leases(running, macs))
            if running.lease_file or not is_elsewhere:
                kernel.forget_macs(running.bridge, macs)
    for socket in (files.qmp, files.migration_qmp, files.console):
        socket.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # no room in /run
        ended = DomainEnd(why=why, since=time.time())
        replacing.replace(files.ended, msgspec.json.encode(ended))
    files.state.unlink()
    with contextlib.suppress(UserError):  # reported when it was made
        refresh_filter(files.paths, networks, meanwhile=close_taps)


def _leases(network: NetworkState, macs: set[str]) -> list[Lease]:
    """The leases of `macs`: IPv4 ones by the lease file, IPv6 ones by what the bridge has seen.

    A DUID proves nothing: its guest may put any MAC into it.
    """
    file = LeaseFile(path=network.lease_file, network=network.name, suffix=network.suffix)
    try:
        leases, _ = dnsmasq.parse(Path(file.path).read_bytes(), file)
    except OSError:
        return []
    found = [lease for lease in leases if lease.hwaddr in macs]
    seen = kernel.ipv6(network.bridge)
    return found + [lease for lease in leases if seen.get(lease.address) in macs]
