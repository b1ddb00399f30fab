"""What any user may see of networks: their definitions and whether they run. Changes nothing.

It imports little, so that `pyvirt network list` starts quickly.
"""

from __future__ import annotations

from typing import Literal

from leasewatch.daemon import alive
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.network import Network, bridge_of
from leasewatch.pyvirt.files import NetworkFiles, network_state

State = Literal["started", "no dnsmasq", "no address left", "no bridge", "stopped"]
"""`no dnsmasq`: started, but guests get no leases: dnsmasq has ended and is being restarted.
`no bridge`: somebody has removed the bridge that this network has joined."""


class KnownNetworks:
    """All networks below one root."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def names(self) -> list[str]:
        """The names of all defined networks."""
        return store.names(self._paths.network_definitions)

    def get(self, name: str) -> Network:
        """The checked definition; UserError with a likely name where there is none."""
        return store.read(self._paths.network_definitions, name, Network)

    def state(self, name: str) -> State:
        """Its state, as far as any user may see it."""
        files = self._files(name)
        state = network_state(files)
        if state is None or not alive.is_alive(state.pid, state.born):
            return "stopped"
        if not state.lease_file:
            return "started" if _is_there(state.bridge) else "no bridge"
        dnsmasq = state.dnsmasq_pid
        if not dnsmasq or not alive.is_alive(dnsmasq, state.dnsmasq_born):
            return "no dnsmasq"
        from leasewatch.pyvirt.defined import address_pool  # noqa: PLC0415  start-up time

        return "no address left" if address_pool.is_full(self._paths, state) else "started"

    def describe(self, name: str) -> dict[str, object]:
        """The row of `list` and `show`."""
        network = self.get(name)
        return {
            "name": name,
            "state": self.state(name),
            "mode": network.mode,
            "subnet": network.subnet or None,
            "subnet6": network.subnet6 or None,
            "bridge": bridge_of(network),
            "suffix": network.suffix,
            "host_access": network.host_access,
            "reserved": [f"{one.name} {one.mac} {one.address}" for one in network.reserved],
            "autostart": network.autostart,
        }

    def _files(self, name: str) -> NetworkFiles:
        return NetworkFiles(self._paths, name)


def _is_there(bridge: str) -> bool:
    import socket  # noqa: PLC0415  start-up time

    try:
        return socket.if_nametoindex(bridge) > 0
    except OSError:
        return False
