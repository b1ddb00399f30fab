"""Where networks and domains keep their files, and what their run states say. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from leasewatch.files import locks, run_states
from leasewatch.model import DomainState, NetworkState
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError

UNFINISHED = "unfinished"


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
        """Locked by the `pyvirt network run` process of this network."""
        return self.run / "lock"

    @property
    def commands(self) -> Path:
        """Locked by a command that acts on this network, or by a domain's start."""
        return self.paths.locks / f"network-{self.name}"

    @property
    def log(self) -> Path:
        """The output of `pyvirt network run`."""
        return self.run / "log"

    @property
    def hosts(self) -> Path:
        """The --dhcp-hostsdir: a file for each domain that is running or has a fixed address."""
        return self.run / "hosts.d"

    @property
    def dnsmasq_conf(self) -> Path:
        """Dnsmasq's configuration; only dnsmasq has this path on its command line."""
        return self.run / "dnsmasq.conf"

    @property
    def resolvers(self) -> Path:
        """A copy of the host's resolv.conf(5), which dnsmasq uses for other names."""
        return self.run / "resolv.conf"

    @property
    def leases(self) -> Path:
        """The lease file, kept while the network is stopped."""
        return self.paths.leases / f"{self.name}.leases"

    @property
    def sysctls(self) -> Path:
        """The ledger of kernel settings, one for all networks."""
        return self.paths.network_runs.with_name("sysctls") / "ledger.json"


@dataclass(frozen=True, slots=True)
class DomainFiles:
    """The paths of one domain."""

    paths: Paths
    name: str

    @property
    def run(self) -> Path:
        """The folder of the sockets and logs of the present or last run."""
        return self.paths.domain_runs / self.name

    @property
    def state(self) -> Path:
        """A `DomainState` as JSON, from before QEMU starts until its leases are released."""
        return self.paths.domain_runs / f"{self.name}.json"

    @property
    def lock(self) -> Path:
        """Locked by the `pyvirt domain run` process."""
        return self.run / "lock"

    @property
    def commands(self) -> Path:
        """Locked by a command that acts on this domain."""
        return self.paths.locks / f"domain-{self.name}"

    @property
    def log(self) -> Path:
        """The output of `pyvirt domain run`."""
        return self.run / "log"

    @property
    def qemu_log(self) -> Path:
        """The output of QEMU."""
        return self.run / "qemu.log"

    @property
    def qmp(self) -> Path:
        """QEMU's QMP socket."""
        return self.run / "qmp"

    @property
    def console(self) -> Path:
        """The guest's first serial port, a socket."""
        return self.run / "console"

    @property
    def console_lock(self) -> Path:
        """Locked while somebody has joined the console."""
        return self.run / "console.lock"

    @property
    def console_log(self) -> Path:
        """The end of what the guest has written to its first serial port."""
        return self.run / "console.log"

    def hosts_entry(self, network: str) -> Path:
        """The file in `network`'s --dhcp-hostsdir with this domain's addresses and name."""
        return NetworkFiles(self.paths, network).hosts / self.name

    @property
    def data(self) -> Path:
        """The folder of the domain's own disks."""
        return self.paths.domain_data / self.name

    @property
    def overlay(self) -> Path:
        """What the domain has changed on its disk."""
        return self.data / "disk.qcow2"

    @property
    def unfinished(self) -> Path:
        """Exists while `create` runs, or if it was killed: the folder belongs to no domain."""
        return self.data / UNFINISHED


def network_state(files: NetworkFiles) -> NetworkState | None:
    """The run state; None without one. One that is not ours to read counts as none."""
    return run_states.read(files.state, NetworkState)


def domain_state(files: DomainFiles) -> DomainState | None:
    """The run state; None without one. One that is not ours to read counts as none."""
    return run_states.read(files.state, DomainState)


def running_domains(paths: Paths) -> list[DomainState]:
    """The run states of domains whose parent is alive; a killed one leaves its own behind."""
    states = run_states.read_all(paths.domain_runs, DomainState)
    return [state for state in states if locks.holder(DomainFiles(paths, state.name).lock)]


def started_network(paths: Paths, network: str) -> NetworkState:
    """The run state of a network; UserError if it is not started or its process was killed."""
    files = NetworkFiles(paths, network)
    state = network_state(files)
    if state is not None and locks.holder(files.lock):
        return state
    what = "is not started" if state is None else "is no longer started: its process was killed"
    raise UserError(
        f"network {network} {what}", f"sudo pyvirt network start {network}", "not-running"
    )
