"""What the checks look at. It reads each thing when it is first asked for, and judges nothing."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Final

from leasewatch import addresses, inventory, settings
from leasewatch.api import client, offline
from leasewatch.api.client import NoServiceError
from leasewatch.api.dns_interface import DnsStatus
from leasewatch.api.interface import Entry, ListReply, SourceEntry
from leasewatch.cli.dns import status as dns_status
from leasewatch.config import Config
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.doctor.dns import KeyFile
from leasewatch.doctor.other_programs import DEADLINE, OtherPrograms
from leasewatch.files import run_states
from leasewatch.history.rows import HistoryParameters, Holding
from leasewatch.model import DomainState
from leasewatch.names import on_link
from leasewatch.neighbours import kernel
from leasewatch.paths import Paths
from leasewatch.pyvirt import nft
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.defined.network import Mode, Network
from leasewatch.pyvirt.files import NetworkFiles, network_state
from leasewatch.pyvirt.networks import losses
from leasewatch.pyvirt.networks.diversions import Diversions
from leasewatch.pyvirt.networks.firewall import Finding
from leasewatch.pyvirt.networks.known import KnownNetworks
from leasewatch.pyvirt.networks.listing import Listing
from leasewatch.pyvirt.networks.networks import dropping, frames_pass_ip_rules
from nss_pyvirt import snapshot
from nss_pyvirt.checks import Row
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import pieces, status

_RECENT: Final = 86400.0
"""Seconds of history that matter."""
_MOST_HOLDINGS: Final = 2000


class StartedNetwork:
    """A network of pyvirt: its definition, and what its process and the host say of it."""

    def __init__(self, paths: Paths, definition: Network, state: str) -> None:
        self.definition, self.state = definition, state
        self.name = definition.name
        files = NetworkFiles(paths, self.name)
        run = network_state(files)
        self.log = files.log
        self.was_killed = state == "stopped" and run is not None
        self.fault = run.fault if run is not None and state != "stopped" else ""

    @property
    def is_up(self) -> bool:
        """Whether its process runs."""
        return self.state != "stopped"


class Host(OtherPrograms):
    """The host, as far as the user who asks may see it."""

    def __init__(self, paths: Paths) -> None:
        super().__init__(paths)
        self.now = time.time()

    @cached_property
    def _settings(self) -> tuple[Config, list[UserError]]:
        return settings.load(self.paths.config)

    # The service and what it publishes.

    @cached_property
    def installation(self) -> list[Row]:
        """The rows of `nss-pyvirt status`."""
        return status.status(pieces.this_system(self.paths.root))

    @cached_property
    def served(self) -> ListReply | NoServiceError:
        """What the service lists, or why it does not."""
        try:
            return client.list_entries(self.paths.varlink)
        except NoServiceError as error:
            return error

    @cached_property
    def entries(self) -> Sequence[Entry]:
        """Every candidate for a name; from the files if the service does not answer."""
        if isinstance(self.served, ListReply):
            return self.served.entries
        return offline.list_entries(self.paths, self.now).entries

    def published_generation(self) -> int:
        """The generation of the published file now; 0: there is none."""
        return snapshot.check(self.paths.snapshot).generation if self.paths.snapshot.exists() else 0

    @cached_property
    def sources(self) -> Sequence[SourceEntry] | None:
        """How each source stands; None: the service does not answer."""
        if isinstance(self.served, NoServiceError):
            return None
        return client.sources(self.paths.varlink).sources

    @cached_property
    def holdings(self) -> Sequence[Holding]:
        """Who had which address in the last day; none without a history."""
        if isinstance(self.served, NoServiceError):
            return []
        asked = HistoryParameters(since=self.now - _RECENT, limit=_MOST_HOLDINGS)
        with contextlib.suppress(UserError):
            return client.history(self.paths.varlink, asked, DEADLINE).holdings
        return []

    @cached_property
    def table(self) -> Sequence[snapshot.Host]:
        """The published hosts; none without a file."""
        return snapshot.read(self.paths.snapshot).hosts if self.paths.snapshot.exists() else ()

    def answer(self, name: str) -> snapshot.Answer:
        """What the published files have for a name now: this host's, then the other hosts'."""
        if not self.paths.snapshot.exists():
            return snapshot.Answer("unknown")
        peers = self.paths.peers_snapshot
        return snapshot.lookup(self.paths.snapshot, name, now=self.now, peers=peers)

    @cached_property
    def domain_names(self) -> set[str]:
        """The names of pyvirt's domains, running or not."""
        return run_states.names(self.paths.domain_definitions, ".toml") or set()

    @cached_property
    def aliases(self) -> dict[str, str]:
        """The domain of each further name, as far as definitions can be read."""
        found = store.readable(self.paths.domain_definitions, DomainDefinition)
        return {alias: each.name for each in found for alias in each.aliases}

    # Names for other programs and hosts.

    @cached_property
    def dns_settings(self) -> tuple[DnsSettings, list[UserError]]:
        """[dns], and what is wrong with it."""
        found, faults = self._settings
        return found.dns, [fault for fault in faults if "dns" in fault.what]

    @cached_property
    def dns_served(self) -> DnsStatus | UserError:
        """What the DNS process says, or why it does not."""
        try:
            return dns_status.ask(self.paths)
        except UserError as error:
            return error

    @cached_property
    def dns_keys(self) -> list[KeyFile]:
        """The keys that [dns] names."""
        wanted = self.dns_settings[0]
        paths = [
            self.paths.dns_keys / f"{name}.key" for name in (wanted.key, wanted.update.key) if name
        ]
        found = []
        for path in dict.fromkeys(paths):
            mode = path.stat().st_mode & 0o777 if path.exists() else 0
            found.append(KeyFile(str(path), mode))
        return found

    @cached_property
    def own_addresses(self) -> frozenset[str]:
        """Every address of this host."""
        return frozenset(
            addresses.text(address)
            for found in kernel.addresses().values()
            for address, _length in found
        )

    # Networks.

    @cached_property
    def network_names(self) -> list[str]:
        """The names of pyvirt's networks."""
        return store.names(self.paths.network_definitions)

    def network(self, name: str) -> StartedNetwork:
        """One of pyvirt's networks; UserError if its definition is bad."""
        definition = KnownNetworks(self.paths).get(name)
        return StartedNetwork(self.paths, definition, Listing(self.paths).state(name))

    @cached_property
    def networks(self) -> list[StartedNetwork]:
        """Those whose definition can be read."""
        found = []
        for name in self.network_names:
            with contextlib.suppress(UserError):
                found.append(self.network(name))
        return found

    @cached_property
    def domains(self) -> list[DomainState]:
        """The domains that run, without those that only arrive."""
        return list(run_states.named(run_states.read_all(self.paths.domain_runs, DomainState)))

    def missing(self, network: Network) -> list[str]:
        """What a started network lacks: its bridge, addresses, ports, forwarding."""
        return list(losses.missing(network, self.domains))

    @cached_property
    def _ruleset(self) -> list[dict[str, object]]:
        return nft.ruleset()

    def dropping(self, bridge: str, mode: Mode) -> list[Finding]:
        """Rulesets that may drop packets of a bridge with guests of such a network. Needs root."""
        return dropping(self._ruleset, bridge, mode)

    @cached_property
    def bridge_netfilter(self) -> bool:
        """Whether frames between two ports of a bridge pass the rulesets for IP."""
        return frames_pass_ip_rules()

    def diversions(self, version: int) -> Diversions:
        """The host's rules and routes of IPv4 or IPv6."""
        return self._diversions[version]

    @cached_property
    def _diversions(self) -> dict[int, Diversions]:
        return {version: Diversions(version) for version in (4, 6)}

    @cached_property
    def on_link(self) -> dict[str, on_link.Networks]:
        """The IP networks of each network whose bridges are known and there."""
        known, _ = self._settings
        bridges = inventory.Scanner(self.paths, lambda _path: True).scan(known).bridges
        by_number = kernel.addresses()
        links = {name: link.number for name, link in kernel.links().items()}
        found: dict[str, on_link.Networks] = {}
        for network, names in bridges.items():
            there = [links[name] for name in names if name in links]
            prefixes = [prefix for number in there for prefix in by_number.get(number, ())]
            if prefixes:
                found[network] = on_link.Networks(prefixes)
        return found
