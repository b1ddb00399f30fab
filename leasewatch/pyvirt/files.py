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
        """Held by the running `pyvirt domain run`."""
        return self.run / "lock"

    @property
    def commands(self) -> Path:
        """Held by a command that acts on this domain."""
        return self.paths.locks / f"domain-{self.name}"

    @property
    def log(self) -> Path:
        """What `pyvirt domain run` has printed."""
        return self.run / "log"

    @property
    def qemu_log(self) -> Path:
        """What QEMU has printed."""
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
        """Held by the one who has joined the console."""
        return self.run / "console.lock"

    @property
    def console_log(self) -> Path:
        """The end of what the guest has written to its first serial port."""
        return self.run / "console.log"

    def hosts_entry(self, network: str) -> Path:
        """What dnsmasq of `network` reads (--dhcp-hostsdir): addresses and name of these MACs."""
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
        """There while `create` is at work, or was when it was killed: the folder is nobody's."""
        return self.data / UNFINISHED


def network_state(files: NetworkFiles) -> NetworkState | None:
    """The run state; None without one. One that is not ours to read counts as none."""
    return run_states.read(files.state, NetworkState)


def domain_state(files: DomainFiles) -> DomainState | None:
    """The run state; None without one. One that is not ours to read counts as none."""
    return run_states.read(files.state, DomainState)


def running_domains(paths: Paths) -> list[DomainState]:
    """The run states of domains whose parent lives; those of killed ones are there still."""
    states = run_states.read_all(paths.domain_runs, DomainState)
    return [state for state in states if locks.holder(DomainFiles(paths, state.name).lock)]


def started_network(paths: Paths, network: str) -> NetworkState:
    """The run state of a network; UserError where it is not started, or its process was killed."""
    files = NetworkFiles(paths, network)
    state = network_state(files)
    if state is not None and locks.holder(files.lock):
        return state
    what = "is not started" if state is None else "is no longer started: its process was killed"
    raise UserError(
        f"network {network} {what}", f"sudo pyvirt network start {network}", "not-running"
    )
