"""Finds the files of every source, the owners of network cards and the names of networks.

In: the folders below a root, as each `Source` describes them. Out: `Found`, at each scan. It reads
the small files beside the leases, but no lease file. It watches nothing and decides no name.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from leasewatch.daemon.logs import Recent, fields
from leasewatch.errors import ParseError
from leasewatch.files.small_files import SmallFiles
from leasewatch.model import Domain, LeaseFile, Nic
from leasewatch.names import labels
from leasewatch.sources import registry
from leasewatch.sources.folders import Folders
from leasewatch.sources.missing_files import MissingFiles
from leasewatch.sources.source import Files, Owner, OwnerFiles, Source

_LOG = logging.getLogger(__name__)
_Owners = tuple[list[Owner], list[ParseError]]


class Problem(NamedTuple):
    """A path of a source that cannot be read or understood."""

    source: str
    path: str
    why: str
    denied: bool
    """The permission to read it is missing."""


class Found(NamedTuple):
    """The result of a scan."""

    lease_files: list[LeaseFile]
    domains: list[Domain]
    folders: dict[str, set[str]]
    """Folders to watch, even missing ones -> ends of the names that matter in each."""
    problems: list[Problem]
    bridges: dict[str, list[str]]
    """By network, if they are known."""


class Discovery:
    """Looks below `root` again and again; `scan` says what is there now.

    `holds(path)`: whether a lease file has leases that have not ended.
    """

    def __init__(self, root: Path, holds: Callable[[str], bool]) -> None:
        self._root = root
        self._holds = holds
        self._logged = Recent()
        self._listed: dict[str, list[str]] = {}
        """What each folder held when it was last listed."""
        self._bridges = SmallFiles[str]()
        self._owners = SmallFiles[_Owners]()
        self._missing = MissingFiles()
        self._networks: dict[str, tuple[str, str]] = {}
        """Network's name, folded -> its source, and its name there."""
        self._starts: dict[tuple[str, str], _Start] = {}
        """By source and key of each domain."""
        self._scanned: set[str] = set()
        """The sources of the last scan."""
        self._now = 0.0

    def scan(
        self,
        known: Iterable[LeaseFile],
        suffix: str,
        off: Collection[str],
        now: float,
        taken: Iterable[str] = (),
    ) -> Found:
        """Find everything but the `known` files and the sources in `off`.

        `suffix` is the networks' DNS suffix. `now` is monotonic, in seconds. `taken` are networks
        of ours, so that another's gets another name.
        """
        found = Found(list(known), [], {}, [], {})
        self._now = now
        names = (*taken, *(file.network for file in found.lease_files))
        self._networks = {labels.fold(name): ("", name) for name in names}
        starts: dict[tuple[str, str], _Start] = {}
        sources = [source for source in registry.SOURCES if source.name not in off]
        for source in sources:
            starts |= self._scan(source, suffix, found)
        self._starts = starts
        self._scanned = {source.name for source in sources}
        self._bridges.forget_others()
        self._owners.forget_others()
        for problem in found.problems:
            shown = fields(source=problem.source, path=problem.path, why=problem.why)
            if self._logged.is_new(shown):
                _LOG.warning("source unreadable %s", shown)
        return found

    def _scan(self, source: Source, suffix: str, found: Found) -> dict[tuple[str, str], _Start]:
        """Add the files of one source; returns when its domains started."""
        folders = Folders(self._root, self._listed)
        names = dict(self._network_names(source, folders, found))
        paths = {file.path for file in found.lease_files}
        for path, part in self._find(source.leases, folders, self._has_leases):
            if path not in paths:
                network = self._network(names.get(part, part), source, found, part)
                file = LeaseFile(path=path, network=network, suffix=suffix, kind=source.name)
                found.lease_files.append(file)
        starts = {}
        if source.owners is not None:
            cards = self._cards(source, source.owners, folders, names, found)
            for owner, nics, written in cards:
                key = source.name, owner.key
                new = _Start(written, seen=source.name in self._scanned)
                starts[key] = start = self._starts.get(key, new)
                found.domains.append(_domain(source.owners, owner, nics, start))
        self._listed |= folders.listed
        for folder, ends in folders.watched.items():
            found.folders.setdefault(folder, set()).update(ends)
        why = "cannot be listed, so changes in it are noticed late or never"
        found.problems.extend(Problem(source.name, d, why, True) for d in sorted(folders.denied))
        return starts

    def _find(
        self, files: Files, folders: Folders, counts: Callable[[str, str], bool]
    ) -> Iterable[tuple[str, str]]:
        """Each path that counts, and what `{network}` stands for in it.

        `counts(path, network)`: whether a file that vanished still counts.
        """
        there = dict(pair for pattern in files.patterns for pair in folders.expand(pattern))
        return self._missing.with_former(files, there, counts, self._now).items()

    def _has_leases(self, path: str, interface: str) -> bool:
        return self._holds(path) and self._has_interface(interface)

    def _has_owners(self, _path: str, interface: str) -> bool:
        return self._has_interface(interface)

    def _names_bridge(self, path: str, _network: str) -> bool:
        small = self._bridges.last(path)
        return small is not None and bool(small.value) and self._has_interface(small.value or "")

    def _has_interface(self, name: str) -> bool:
        """Whether a network may still exist; True if that cannot be known."""
        interfaces = self._root / "sys/class/net"
        return not name or not interfaces.is_dir() or (interfaces / name).exists()

    def _network(self, name: str, source: Source, found: Found, part: str) -> str:
        """The network's name; also note its bridges, which `part` may name.

        A name stands for one network, ignoring case: a guest of another may use any MAC. The later
        network is called NAME-SOURCE.
        """
        name = name or source.network
        who = source.name, name
        while self._networks.setdefault(labels.fold(name), who) != who:
            name = f"{name}-{source.name}"
        if source.bridges:
            found.bridges[name] = [bridge.replace("{network}", part) for bridge in source.bridges]
        return name

    def _network_names(
        self, source: Source, folders: Folders, found: Found
    ) -> Iterator[tuple[str, str]]:
        """The value of `{network}` in the other patterns, and the network's name."""
        if source.names is None:
            return
        for path, name in self._find(source.names, folders, self._names_bridge):
            small = self._bridges.read(path, source.names.parse)
            if small.fault is not None:
                found.problems.append(_problem(source, path, small.fault))
            if small.value is not None:
                yield small.value, name

    def _cards(
        self,
        source: Source,
        files: OwnerFiles,
        folders: Folders,
        names: Mapping[str, str],
        found: Found,
    ) -> Iterator[tuple[Owner, tuple[Nic, ...], float]]:
        """For each domain: its first card's owner, its cards, when the first was written."""
        cards: dict[str, list[tuple[Owner, Nic, float]]] = defaultdict(list)
        for path, part in self._find(files, folders, self._has_owners):
            small = self._owners.read(path, files.parse)
            owners, faults = small.value or ([], [])
            found.problems.extend(_problem(source, path, fault) for fault in faults)
            is_rewritten = files.removed_after is not None  # so it may be missing for a moment
            is_missing = isinstance(small.fault, FileNotFoundError)
            if small.fault is not None and not (is_rewritten and is_missing):
                found.problems.append(_problem(source, path, small.fault))
            network = self._network(names.get(part, part), source, found, part)
            for owner in owners:
                cards[owner.key].append((owner, Nic(network, owner.mac), small.modified))
        for of_domain in cards.values():
            nics = tuple(nic for _, nic, _ in of_domain)
            yield of_domain[0][0], nics, min(written for _, _, written in of_domain)


class _Start(NamedTuple):
    written: float
    """When the domain was first found written down, Unix seconds."""
    seen: bool
    """Whether the previous scan lacked it. A file is also rewritten when other domains change."""


def _domain(files: OwnerFiles, owner: Owner, nics: tuple[Nic, ...], start: _Start) -> Domain:
    seconds = files.first_lease_seconds
    return Domain(
        name=owner.name,
        aliases=owner.aliases,
        nics=nics,
        started=start.written,
        pending_until=int(start.written) + seconds if seconds else 0,
        runs=bool(seconds),
        start_seen=start.seen,
    )


def _problem(source: Source, path: str, fault: OSError | ParseError) -> Problem:
    why = fault.what if isinstance(fault, ParseError) else fault.strerror or str(fault)
    return Problem(source.name, path, why, denied=isinstance(fault, PermissionError))
