"""What there is on this host: networks, domains, lease files, and names that the owner gave.

In: pyvirt's run states and definitions, the settings, the files of other sources. Out: an
`Inventory` at each scan.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from leasewatch.config import Config
from leasewatch.files import run_states
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
    suffixes: dict[str, str]
    """DNS suffix by network."""
    shared: frozenset[str]
    """The networks that are bridged: other hosts have the same ones."""
    defined: frozenset[str]
    """Names and aliases of pyvirt's domains, running or not; folded."""
    networks: int
    """Of pyvirt's, running."""
    folders: dict[str, set[str]]
    """Where all this is written: folder -> ends of the names that matter in it."""
    problems: list[Problem]


NOTHING = Inventory([], [], {}, {}, frozenset(), frozenset(), 0, {}, [])


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
        networks = self._networks.values.values()
        found = self._discovery.scan(
            self._known_files(settings),
            settings.names.suffix,
            settings.off(),
            time.monotonic(),
            taken=[network.name for network in networks],
        )
        ours = {network.name: [network.bridge] for network in networks}
        others = settings.bridges() | found.bridges
        joined = _joined(networks, others)
        for other, network in joined.items():
            ours[network.name] += (one for one in others[other] if one != network.bridge)
        wall = time.time()
        domains = [
            aliases.no_longer_awaited(domain, wall)
            for domain in (*self._running_domains(), *_moved(found.domains, joined))
        ]
        lease_files = [_in_joined(file, joined) for file in found.lease_files]
        return Inventory(
            lease_files=lease_files,
            domains=aliases.merge_hosts(domains, list(_moved(settings.hosts(), joined))),
            bridges=ours | {name: of for name, of in others.items() if name not in joined},
            suffixes={one.network: one.suffix for one in lease_files}
            | {one.name: one.suffix for one in networks},
            shared=frozenset(one.name for one in networks if not one.lease_file),
            defined=frozenset(map(labels.fold, self._defined.scan())),
            networks=len(networks),
            folders=self._folders | found.folders,
            problems=found.problems,
        )

    def _running_domains(self) -> Iterator[DomainState]:
        return run_states.named(self._domains.values.values())

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
            if network.lease_file
        )
        return list({file.path: file for file in (*settings.lease_files(), *ours)}.values())


def _joined(
    networks: Iterable[NetworkState], others: Mapping[str, Sequence[str]]
) -> dict[str, NetworkState]:
    """Others' networks whose bridge a bridged network of ours has joined: each is ours then.

    A bridge belongs to one network, so that a lease and a neighbour there mean the same guest.
    """
    bridged = {each.bridge: each for each in networks if not each.lease_file}
    found = ((other, bridged.get(one)) for other, bridges in others.items() for one in bridges)
    return {other: ours for other, ours in found if ours is not None and ours.name != other}


def _in_joined(file: LeaseFile, joined: Mapping[str, NetworkState]) -> LeaseFile:
    ours = joined.get(file.network)
    if ours is None:
        return file
    return msgspec.structs.replace(file, network=ours.name, suffix=ours.suffix)


def _moved(domains: Iterable[Domain], joined: Mapping[str, NetworkState]) -> Iterator[Domain]:
    """The domains with their cards on the networks that theirs have joined."""
    for domain in domains:
        if any(nic.network in joined for nic in domain.nics):
            nics = tuple(
                msgspec.structs.replace(nic, network=joined[nic.network].name)
                if nic.network in joined
                else nic
                for nic in domain.nics
            )
            yield msgspec.structs.replace(domain, nics=nics)
        else:
            yield domain
