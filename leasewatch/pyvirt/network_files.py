"""Where one network keeps its files, and what its run state says. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leasewatch.files import run_states
from leasewatch.model import NetworkState
from leasewatch.paths import Paths


@dataclass(frozen=True, slots=True)
class NetworkFiles:
    """The paths of one network."""

    paths: Paths
    name: str

    @property
    def definition(self) -> Path:
        """What the owner wants."""
        return self.paths.network_definitions / f"{self.name}.toml"

    @property
    def run(self) -> Path:
        """The folder of everything below, world-readable: dnsmasq is not root."""
        return self.paths.network_runs / self.name

    @property
    def state(self) -> Path:
        """A `NetworkState` as JSON while the network is started."""
        return self.paths.network_runs / f"{self.name}.json"

    @property
    def lock(self) -> Path:
        """Held by the `pyvirt network run` of this network."""
        return self.run / "lock"

    @property
    def commands(self) -> Path:
        """Held by a command that acts on this network, or by a domain's start."""
        return self.paths.locks / f"network-{self.name}"

    @property
    def log(self) -> Path:
        """What `pyvirt network run` has printed."""
        return self.run / "log"

    @property
    def hosts(self) -> Path:
        """The --dhcp-hostsdir: a file for each domain that runs or has an address of its own."""
        return self.run / "hosts.d"

    @property
    def dnsmasq_conf(self) -> Path:
        """What dnsmasq is started with; no other process has it on its command line."""
        return self.run / "dnsmasq.conf"

    @property
    def resolvers(self) -> Path:
        """Whom dnsmasq asks for other names: a copy of the host's (resolv.conf(5))."""
        return self.run / "resolv.conf"

    @property
    def leases(self) -> Path:
        """The lease file, kept while the network is stopped."""
        return self.paths.leases / f"{self.name}.leases"

    @property
    def sysctls(self) -> Path:
        """The ledger of kernel settings, one for all networks."""
        return self.paths.network_runs.with_name("sysctls") / "ledger.json"


def network_state(files: NetworkFiles) -> NetworkState | None:
    """The run state; None without one. One that is not ours to read counts as none."""
    return run_states.read(files.state, NetworkState)
