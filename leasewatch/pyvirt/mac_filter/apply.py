"""Apply the MAC filter of networks to the domains that are running."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterable

from leasewatch import addresses
from leasewatch.files import locks, run_states
from leasewatch.model import DomainState, NetworkState
from leasewatch.neighbours import kernel, links
from leasewatch.paths import Paths
from leasewatch.pyvirt import nft
from leasewatch.pyvirt.defined import network, subnets
from leasewatch.pyvirt.files import NetworkFiles, network_state
from leasewatch.pyvirt.mac_filter import ruleset
from leasewatch.pyvirt.mac_filter.frame_rules import Wire

_PATIENCE = 10.0  # seconds that another process may take


def refresh_filter(
    paths: Paths,
    networks: Iterable[str],
    begun: DomainState | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Make the filter of those of `networks` that are started, from the run states.

    `begun` is the domain that has just started. The result does not depend on what was killed
    before. `meanwhile` is called while nft works. UserError if the filter cannot be made.
    """
    taps = [nic.tap for nic in begun.nics] if begun else []
    with locks.exclusive(paths.locks / "mac-filter", _PATIENCE):
        running = run_states.read_all(paths.domain_runs, DomainState)
        scripts = [
            ruleset.refresh(state.name, _wire(state), ruleset.guests(running, state.name), taps)
            for name in sorted(set(networks))
            if (state := network_state(NetworkFiles(paths, name))) is not None
        ]
        if scripts:
            nft.apply("".join(scripts), meanwhile)


def _wire(state: NetworkState) -> Wire | None:
    """With the host's addresses: those it has, and those it gets once the bridge has a port."""
    if not state.subnets:
        return None
    subnet, subnet6 = state.subnets
    mac = network.bridge_mac(state.name)
    anycast = subnet6.partition("/")[0]  # of routers (RFC 4291 2.6.1)
    first = (subnets.host_address(each).partition("/")[0] for each in state.subnets)
    own = {addresses.parse(each) for each in (anycast, *first)}
    own.add(links.LINK_LOCAL + addresses.interface_id(mac))
    with contextlib.suppress(OSError):
        assigned = kernel.addresses().get(socket.if_nametoindex(state.bridge), ())
        own.update(address for address, _ in assigned)
    return Wire(mac, subnet, subnet6, tuple(sorted(own)))
