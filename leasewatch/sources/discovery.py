"""Which files of which source are there, who owns which network card, what networks are called.

It finds lease files and reads the small files beside them; it reads no lease file, watches nothing
and decides nothing about names.
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
from leasewatch.sources.source import Owner, Source

FIRST_LEASE_SECONDS = 60
"""That a domain may take from its start to its first lease."""

REMOVED_SECONDS = 2.0
"""How long a card's file must be gone: Incus and LXD remove all of them to write them anew."""

_LOG = logging.getLogger(__name__)
_Owners = tuple[list[Owner], list[ParseError]]


class _Start(NamedTuple):
    written: float
    """When the domain was first found written down, Unix seconds."""
    seen: bool
    """Whether it was not there at the scan before: files are written anew for others, too."""


class Problem(NamedTuple):
    """A path of a source that cannot be read or understood."""

    source: str
    path: str
    why: str
    denied: bool
    """For want of rights."""


class Found(NamedTuple):
    """What there is now."""

    lease_files: list[LeaseFile]
    domains: list[Domain]
    folders: dict[str, set[str]]
    """Where more may appear: folder, there or not -> ends of the names that matter in it."""
    problems: list[Problem]
    bridges: dict[str, list[str]]
    """By network, where they are known."""


class Discovery:
    """Looks below `root` again and again; `scan` says what is there now.

    `holds(path)`: whether a lease file has leases that have not ended.
    """

    def __init__(self, root: Path, holds: Callable[[str], bool]) -> None:
        self._root = root
        self._holds = holds
        self._faults = Recent()
        self._listed: dict[str, list[str]] = {}
        self._bridges = SmallFiles[str]()
        self._owners = SmallFiles[_Owners]()
        self._taken: dict[str, tuple[str, str]] = {}
        """Network's name, folded -> the source that has it, and what it is called there."""
        self._started: dict[tuple[str, str], _Start] = {}
        """By source and key of each domain."""
        self._looked: set[str] = set()
        """The sources that the last scan looked for."""
        self._vanished = MissingFiles()
        self._now = 0.0

    def scan(
        self, known: Iterable[LeaseFile], suffix: str, off: Collection[str], now: float
    ) -> Found:
        """What there is beside the `known` files; sources in `off` are not looked for.

        `now` is monotonic, in seconds.
        """
        found = Found(list(known), [], {}, [], {})
        self._now = now
        self._taken = {labels.fold(f.network): ("", f.network) for f in found.lease_files}
        started: dict[tuple[str, str], _Start] = {}
        looked = [source for source in registry.SOURCES if source.name not in off]
        for source in looked:
            started |= self._scan(source, suffix, found)
        self._started = started
        self._looked = {source.name for source in looked}
        self._bridges.forget_others()
        self._owners.forget_others()
        for problem in found.problems:
            shown = fields(source=problem.source, path=problem.path, why=problem.why)
            if self._faults.is_new(shown):
                _LOG.warning("source unreadable %s", shown)
        return found

    def _scan(self, source: Source, suffix: str, found: Found) -> dict[tuple[str, str], _Start]:
        """Add what there is of one source; returns when its domains started."""
        folders = Folders(self._root, self._listed)
        names = dict(self._network_names(source, folders, found))
        paths = {file.path for file in found.lease_files}
        removed = 0.0 if source.leases_removed else None
        for path, part in self._expand(source.leases, folders, self._has_leases, removed):
            if path not in paths:
                network = self._network(names.get(part, part), source)
                _note_bridge(source, part, network, found)
                file = LeaseFile(path=path, network=network, suffix=suffix, kind=source.name)
                found.lease_files.append(file)
        started = {}
        for owner, nics, written in self._cards(source, folders, names, found):
            key = source.name, owner.key
            new = _Start(written, seen=source.name in self._looked)
            started[key] = start = self._started.get(key, new)
            found.domains.append(_domain(source, owner, nics, start))
        self._listed |= folders.listed
        for folder, ends in folders.watched.items():
            found.folders.setdefault(folder, set()).update(ends)
        why = "may not be listed, so changes in it are seen late or never"
        found.problems.extend(Problem(source.name, d, why, True) for d in sorted(folders.denied))
        return started

    def _expand(
        self,
        patterns: tuple[str, ...],
        folders: Folders,
        lasts: Callable[[str, str], bool],
        removed_after: float | None = None,
    ) -> Iterable[tuple[str, str]]:
        """Each path that counts, and what `{network}` stands for in it; see `MissingFiles`."""
        there = dict(pair for pattern in patterns for pair in folders.expand(pattern))
        return self._vanished.with_former(
            patterns, there, lasts, self._now, removed_after=removed_after
        ).items()

    def _has_leases(self, path: str, interface: str) -> bool:
        return self._holds(path) and self._has_interface(interface)

    def _has_owners(self, _path: str, interface: str) -> bool:
        return self._has_interface(interface)

    def _names_bridge(self, path: str, _network: str) -> bool:
        small = self._bridges.last(path)
        return small is not None and bool(small.value) and self._has_interface(small.value or "")

    def _has_interface(self, name: str) -> bool:
        """Whether a network may still be; also where nobody can tell."""
        interfaces = self._root / "sys/class/net"
        return not name or not interfaces.is_dir() or (interfaces / name).exists()

    def _network(self, name: str, source: Source) -> str:
        """The network's name; one that another network has already gets our source behind it.

        A name stands for one network, however it is spelt: a guest of another may have any MAC.
        """
        name = name or source.network
        who = source.name, name
        while self._taken.setdefault(labels.fold(name), who) != who:
            name = f"{name}-{source.name}"
        return name

    def _network_names(
        self, source: Source, folders: Folders, found: Found
    ) -> Iterator[tuple[str, str]]:
        """What `{network}` is in the other patterns, and the network's name."""
        if source.parse_name is None:
            return
        for path, name in self._expand(source.names, folders, self._names_bridge):
            small = self._bridges.read(path, source.parse_name)
            if small.fault is not None:
                found.problems.append(_problem(source, path, small.fault))
            if small.value is not None:
                yield small.value, name

    def _cards(
        self, source: Source, folders: Folders, names: Mapping[str, str], found: Found
    ) -> Iterator[tuple[Owner, tuple[Nic, ...], float]]:
        """The first card's owner, the cards of each domain, when the first was written down."""
        if source.parse_owners is None:
            return
        cards: dict[str, list[tuple[Owner, Nic, float]]] = defaultdict(list)
        removed = REMOVED_SECONDS if source.owners_removed else None
        for path, part in self._expand(source.owners, folders, self._has_owners, removed):
            small = self._owners.read(path, source.parse_owners)
            owners, faults = small.value or ([], [])
            rewritten = source.owners_removed and isinstance(small.fault, FileNotFoundError)
            for fault in [*faults, *([small.fault] if small.fault and not rewritten else [])]:
                found.problems.append(_problem(source, path, fault))
            network = self._network(names.get(part, part), source)
            _note_bridge(source, part, network, found)
            for owner in owners:
                cards[owner.key].append((owner, Nic(network, owner.mac), small.modified))
        for of_domain in cards.values():
            nics = tuple(nic for _, nic, _ in of_domain)
            yield of_domain[0][0], nics, min(written for _, _, written in of_domain)


def _note_bridge(source: Source, part: str, network: str, found: Found) -> None:
    if source.bridges:
        found.bridges[network] = [name.replace("{network}", part) for name in source.bridges]


def _domain(source: Source, owner: Owner, nics: tuple[Nic, ...], start: _Start) -> Domain:
    return Domain(
        name=owner.name,
        aliases=owner.aliases,
        nics=nics,
        started=start.written,
        pending_until=int(start.written) + FIRST_LEASE_SECONDS if source.owners_run else 0,
        runs=source.owners_run,
        start_seen=start.seen,
    )


def _problem(source: Source, path: str, fault: OSError | ParseError) -> Problem:
    why = fault.what if isinstance(fault, ParseError) else fault.strerror or str(fault)
    return Problem(source.name, path, why, denied=isinstance(fault, PermissionError))
