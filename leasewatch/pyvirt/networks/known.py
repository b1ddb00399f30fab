"""The definitions of networks, as any user may read them. Changes nothing."""

from __future__ import annotations

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.network import Network, bridge_of
from leasewatch.pyvirt.files import NetworkFiles
from leasewatch.pyvirt.networks.listing import KEYS


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

    def row(self, name: str) -> dict[str, object]:
        """The row of a stopped network: what its definition says."""
        network = self.get(name)
        special = {
            "state": "stopped",
            "subnet": network.subnet or None,
            "subnet6": network.subnet6 or None,
            "bridge": bridge_of(network),
            "reserved": [f"{one.name} {one.mac} {one.address}" for one in network.reserved],
        }
        return {key: special.get(key, getattr(network, key, None)) for key in KEYS}

    def _files(self, name: str) -> NetworkFiles:
        return NetworkFiles(self._paths, name)
