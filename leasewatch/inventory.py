"""What there is on this host: networks, domains, lease files, and names that the owner gave.

In: pyvirt's run states and definitions, the settings, the files of other sources. Out: an
`Inventory` at each scan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from leasewatch.config import Config
from leasewatch.daemon import alive
from leasewatch.files.small_files import StateFolder
from leasewatch.model import Domain, DomainState, LeaseFile, NetworkState
from leasewatch.names import aliases, labels
from leasewatch.names.defined_names import DefinedNames
from leasewatch.paths import Paths
from leasewatch.sources.discovery import Discovery, Problem


class Inventory(NamedTuple):
    """All of it at one moment."""

    lease_files: list[LeaseFile]
    domains: list[Domain]
    """Those that run, with all names of theirs."""
    bridges: dict[str, list[str]]
    """By network, if they are known."""
    defined: frozenset[str]
    """Names and aliases of pyvirt's domains, running or not; folded."""
    networks: int
    """Of pyvirt's, running."""
    folders: dict[str, set[str]]
    """Where all this is written: folder -> ends of the names that matter in it."""
    problems: list[Problem]


NOTHING = Inventory([], [], {}, frozenset(), 0, {}, [])


class Scanner:
    """Takes the inventory. `holds(path)`: whether a lease file has leases that have not ended."""

    def __init__(self, paths: Paths, holds: Callable[[str], bool]) -> None:
        self._networks = StateFolder(paths.network_runs, NetworkState)
        self._domains = StateFolder(paths.domain_runs, DomainState)
        self._defined = DefinedNames(paths.domain_definitions)
        self._discovery = Discovery(paths.root, holds)
        folders = (paths.network_runs, paths.domain_runs, paths.domain_definitions)
        self._folders = {str(folder): {".json", ".toml"} for folder in folders}

    def scan(self, settings: Config) -> Inventory:
        """What there is now."""
        self._networks.scan()
        self._domains.scan()
        found = self._discovery.scan(
            self._known_files(settings), settings.names.suffix, settings.off(), time.monotonic()
        )
        wall = time.time()
        domains = [
            aliases.no_longer_awaited(domain, wall)
            for domain in (*self._running_domains(), *found.domains)
        ]
        networks = self._networks.values.values()
        ours = {network.name: [network.bridge] for network in networks}
        return Inventory(
            lease_files=found.lease_files,
            domains=aliases.merge_hosts(domains, settings.hosts()),
            bridges=ours | settings.bridges() | found.bridges,
            defined=frozenset(map(labels.fold, self._defined.scan())),
            networks=len(networks),
            folders=self._folders | found.folders,
            problems=found.problems,
        )

    def _running_domains(self) -> Iterator[DomainState]:
        """A guest dies with its parent, even if the parent was killed and left its run state."""
        return (d for d in self._domains.values.values() if alive.is_alive(d.pid, d.born))

    def _known_files(self, settings: Config) -> list[LeaseFile]:
        """The lease files of our own networks and of the settings."""
        ours = (
            LeaseFile(
                path=network.lease_file,
                network=network.name,
                suffix=network.suffix,
                kind="pyvirt",
                writer_pid=network.dnsmasq_pid,
                writer_born=network.dnsmasq_born,
            )
            for network in self._networks.values.values()
        )
        return list({file.path: file for file in (*settings.lease_files(), *ours)}.values())
