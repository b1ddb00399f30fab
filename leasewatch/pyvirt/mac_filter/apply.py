"""Apply the MAC filter of networks to the domains that are running."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable

from leasewatch import addresses
from leasewatch.files import locks, run_states
from leasewatch.model import DomainState, NetworkState
from leasewatch.neighbours import kernel, links
from leasewatch.paths import Paths
from leasewatch.pyvirt import nft
from leasewatch.pyvirt.defined import network
from leasewatch.pyvirt.files import NetworkFiles, network_state
from leasewatch.pyvirt.mac_filter import ruleset
from leasewatch.pyvirt.mac_filter.frame_rules import Wire

_PATIENCE = 10.0  # seconds that another process may take


def refresh_filter(
    paths: Paths,
    networks: Iterable[str],
    *,
    begun: DomainState | None = None,
    ended: DomainState | None = None,
) -> None:
    """Make the filter of those of `networks` that are started, from the run states.

    `begun` and `ended` are the domain that has just started or ended. The result does not depend on
    what was killed before. UserError if the filter cannot be made.
    """
    with locks.exclusive(paths.locks / "mac-filter", _PATIENCE):
        running = run_states.read_all(paths.domain_runs, DomainState)
        states = (network_state(NetworkFiles(paths, name)) for name in sorted(set(networks)))
        wanted = [
            ruleset.Refresh(
                network=state.name,
                wire=_wire(state),
                guests=ruleset.guests(running, state.name),
                begun=_taps(begun, state.name),
                ended=_taps(ended, state.name),
            )
            for state in states
            if state is not None
        ]
        if wanted:
            nft.apply("".join(map(ruleset.refresh, wanted)))


def _taps(domain: DomainState | None, name: str) -> list[str]:
    return [nic.tap for nic in domain.nics if nic.tap and nic.network == name] if domain else []


def _wire(state: NetworkState) -> Wire:
    subnet, subnet6 = state.subnets
    mac = network.bridge_mac(state.name)
    return Wire(mac, subnet, subnet6, tuple(sorted({*_ours(state, mac), *_assigned(state.bridge)})))


def _ours(state: NetworkState, mac: str) -> Iterable[bytes]:
    """The host's addresses on the bridge; without a port its link-local one is still missing."""
    for subnet in state.subnets:
        packed = addresses.parse(subnet.partition("/")[0])
        yield (int.from_bytes(packed, "big") + 1).to_bytes(len(packed), "big")
        if len(packed) == 16:
            yield packed  # the router's anycast address (RFC 4291 2.6.1)
    yield links.LINK_LOCAL + addresses.interface_id(mac)


def _assigned(bridge: str) -> list[bytes]:
    with contextlib.suppress(OSError):
        found = kernel.addresses().get(socket.if_nametoindex(bridge), [])
        return [address for address, _ in found]
    return []
