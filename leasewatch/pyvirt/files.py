"""Where networks and domains keep their files, and what their run states say. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from leasewatch.files import locks, run_states
from leasewatch.model import ARRIVING, DomainState, NetworkState, Nic
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError

UNFINISHED = "unfinished"


class DomainEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How the last run of a domain ended: /run/pyvirt/ended/NAME.json, until it is deleted."""

    why: str
    since: float


class NetworkFiles:
    """The paths of one network."""

    def __init__(self, paths: Paths, name: str) -> None:
        self.paths, self.name = paths, name
        self.definition = paths.network_definitions / f"{name}.toml"
        self.state = paths.network_runs / f"{name}.json"
        """A `NetworkState` as JSON while the network is started."""
        self.run = paths.network_runs / name
        """The folder of the next five, world-readable: dnsmasq is not root."""
        self.lock = self.run / "lock"
        """Locked by the `pyvirt network run` process of this network."""
        self.log = self.run / "log"
        """The output of `pyvirt network run`."""
        self.hosts = self.run / "hosts.d"
        """The --dhcp-hostsdir: a file for each domain that is running or has a fixed address."""
        self.dnsmasq_conf = self.run / "dnsmasq.conf"
        """Only dnsmasq has this path on its command line."""
        self.resolvers = self.run / "resolv.conf"
        """A copy of the host's resolv.conf(5), which dnsmasq uses for other names."""
        self.commands = paths.locks / f"network-{name}"
        """Locked by a command that acts on this network, or by a domain's start."""
        self.leases = paths.leases / f"{name}.leases"
        """Kept while the network is stopped."""
        self.sysctls = paths.network_runs.with_name("sysctls") / "ledger.json"
        """The ledger of kernel settings, one for all networks."""


class DomainFiles:
    """The paths of one domain."""

    def __init__(self, paths: Paths, name: str) -> None:
        self.paths, self.name = paths, name
        self.definition = paths.domain_definitions / f"{name}.toml"
        self.state = paths.domain_runs / f"{name}.json"
        """A `DomainState` as JSON, from before QEMU starts until its leases are released."""
        self.ended = paths.domain_ends / f"{name}.json"
        """A `DomainEnd` as JSON, once it has run."""
        self._name_run_files()
        self.commands = paths.locks / f"domain-{name}"
        """Locked by a command that acts on this domain."""
        self._name_data()

    def _name_run_files(self) -> None:
        self.run = self.paths.domain_runs / self.name
        """The folder of the sockets and logs of the present or last run."""
        self.lock = self.run / "lock"
        """Locked by the `pyvirt domain run` process."""
        self.log = self.run / "log"
        """The output of `pyvirt domain run`."""
        self.qemu_log = self.run / "qemu.log"
        self.qemu_lock = self.run / "qemu.lock"
        """Locked (flock(2)) as long as QEMU runs, also if its parent was killed."""
        self.qmp = self.run / "qmp"
        """QEMU's QMP socket."""
        self.migration_qmp = self.run / "migration.qmp"
        """QEMU's QMP socket for a command that moves or saves the guest: it needs events."""
        self.incoming = self.run / "incoming.json"
        """For the parent of a guest that arrives (`domains.incoming`); it removes this."""
        self.driver = self.run / "driver.lock"
        """Locked by the process that moves the guest to another host."""
        self.handed_over = self.run / "handed-over"
        """The name of the host that may let the guest run now: it never goes on here by itself."""
        self.resumable = self.run / "resumable.json"
        """What `domain migrate --resume` needs to know."""
        self.receiver = self.run / "receiver.lock"
        """Locked by the process that receives the guest from another host."""
        self.started = self.run / "started.json"
        """The definition with which QEMU was started; that of the domain may be newer."""
        self.saving = self.run / "saving"
        """Locked by a command that saves the guest."""
        self.console = self.run / "console"
        """The guest's first serial port, a socket."""
        self.console_lock = self.run / "console.lock"
        """Locked while somebody has joined the console."""
        self.secrets = self.run / "secrets"
        """The passphrases of a domain that starts, root's, until its parent has read them."""
        self.console_log = self.run / "console.log"
        """The end of what the guest has written to its first serial port."""

    def _name_data(self) -> None:
        self.data = self.paths.domain_data / self.name
        """The folder of the domain's own disks and secrets."""
        self.overlay = self.data / "disk.qcow2"
        """What the domain has changed on its first disk."""
        self.host_key = self.data / "ssh_host_ed25519_key"
        """The guest's private host key; the public one has `.pub` behind its name."""
        self.user_data = self.data / "user-data"
        """What the owner gave for cloud-init, if anything."""
        self.seed_texts = self.data / "seed"
        """The folder of the files that the seed holds."""
        self.seed = self.data / "seed.img"
        """The disk from which cloud-init reads."""
        self.uefi = self.data / "uefi-vars.fd"
        """The variables of the guest's UEFI."""
        self.saved = self.data / "saved"
        """A guest that was saved (`domains.saved`): its memory and devices, until it goes on.

        It is `saved.new` while it is written."""
        self.unfinished = self.data / UNFINISHED
        """Exists while `create` runs, or if it was killed: the folder belongs to no domain."""
        self.moving = self.data / "moving"
        """Exists while a migration asks whether the destination sees the same folder."""


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


def arriving_domains(paths: Paths) -> list[DomainState]:
    """The run states of domains whose guests still run on the hosts that they come from."""
    return [state for state in running_domains(paths) if state.state == ARRIVING]


def not_arrived(name: str, why: str) -> UserError:
    """The error of a command that acts on a domain which only arrives; `why`: of its run state."""
    what = f"domain {name} has not arrived yet{why and f': {why}'}"
    return UserError(what, "wait until it has: pyvirt domain list", "running")


def tap_owners(domains: Iterable[DomainState]) -> dict[str, tuple[DomainState, Nic]]:
    """Domain and card of each tap; if two have one tap, the domain that started last.

    The run state of a domain whose parent was killed is still there, but the kernel may have given
    its tap's name to another. So pass all domains, and select taps afterwards.
    """
    return {
        nic.tap: (domain, nic)
        for domain in sorted(domains, key=lambda domain: domain.started)
        for nic in domain.nics
        if nic.tap
    }


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
