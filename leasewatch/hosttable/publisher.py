"""Writes the host table, the file that the NSS module reads.

The records of a name are packed when they change. `publish` builds the whole file, checks it with
the module's own reader and renames it into place. If anything fails, the old file stays.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from leasewatch.files.reading import signature
from leasewatch.model import HostRecord
from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Address, DuplicateNameError, Host

ENDLESS_SECONDS = 24 * 3600
"""A lease without end is published as ending after so long…"""
REFRESH_SECONDS = 12 * 3600
"""…and published again so often."""

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_BY_SIZE = {4: socket.AF_INET, 16: socket.AF_INET6}


class LostName(NamedTuple):
    """A name that `host` does not answer to, because `other` does."""

    name: str
    host: str
    other: str


class Publisher:
    """Packed records by name, and the file. Times are Unix seconds."""

    def __init__(self, path: Path) -> None:
        self.generation = 0
        self._path = path
        self._owners: dict[str, bytes] = {}
        self._guests: dict[str, bytes] = {}
        self._below: dict[str, tuple[bytes, ...]] = {}
        """Records without the bare name, e.g. NAME.NETWORK.SUFFIX. The three are written in this
        order, because a reverse lookup finds the first record of an address."""
        self._endless: dict[str, tuple[HostRecord, ...]] = {}
        self._refresh_at = 0.0
        self._written: tuple[int, ...] | None = None

    def adopt(self, wall: float) -> int:
        """Continue from the generation of the existing file; returns the number of its hosts.

        Raises SnapshotError if it is damaged. It will be replaced.
        """
        self.generation = int(wall)
        if not self._path.exists():
            return 0
        found = snapshot.check(self._path)
        self.generation = found.generation
        return found.hosts

    def __len__(self) -> int:
        """How many bare names answer."""
        return len(self._owners) + len(self._guests)

    def set(self, name: str, records: tuple[HostRecord, ...], wall: float) -> bool:
        """Set what `name` answers, the record of the bare name first.

        Returns whether that changes the table. Raises ValueError if a record does not fit; then
        the old records stay until they end.
        """
        if records and self._endless.get(name) == records:
            return False
        self._endless.pop(name, None)
        packed = [_pack(record, wall) for record in records]
        owner = self._owners.pop(name, None)
        guest = self._guests.pop(name, None)
        below = self._below.pop(name, ())
        if records and records[0].names[0] == name:
            (self._owners if records[0].trust == "owner" else self._guests)[name] = packed.pop(0)
        if packed:
            self._below[name] = tuple(packed)
        if any(not a.expires for record in records for a in record.addresses):
            if not self._endless:
                self._refresh_at = wall + REFRESH_SECONDS
            self._endless[name] = records
        now = (self._owners.get(name), self._guests.get(name), self._below.get(name, ()))
        return now != (owner, guest, below)

    def next_refresh(self) -> float | None:
        """When leases without end must be published again; None: there are none."""
        return self._refresh_at if self._endless else None

    def refresh(self, wall: float) -> bool:
        """Publish later ends for leases without end, if it is time; True: call `publish`."""
        if not self._endless or wall < self._refresh_at:
            return False
        endless, self._endless = self._endless, {}
        for name, records in endless.items():
            self.set(name, records, wall)
        self._refresh_at = wall + REFRESH_SECONDS
        return True

    def publish(self, wall: float, pending_wait: int) -> list[LostName]:
        """Write the table. Raises OSError, SnapshotError or ValueError and keeps the old file.

        `pending_wait`: seconds that the lookup of a pending name may take. The policy gives each
        name to one host. If it ever fails to, the later record loses the name; the losses are
        returned.
        """
        records = [
            *self._owners.values(),
            *self._guests.values(),
            *chain.from_iterable(self._below.values()),
        ]
        lost: list[LostName] = []
        assemble = partial(
            snapshot.assemble,
            generation=self.generation + 1,
            published=int(wall),
            pending_wait=pending_wait * 1000,
        )
        try:
            parts = assemble(records)
        except DuplicateNameError:
            records, lost = _without_duplicates(records)
            parts = assemble(records)
        temporary = self._path.with_name(f".{self._path.name}.new")
        try:
            _write(temporary, parts)
            snapshot.check(temporary)
            temporary.rename(self._path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        self.generation += 1
        self._written = signature(self._path)
        return lost

    def is_intact(self) -> bool:
        """Whether the file is still the one that was written last."""
        return self._written is not None and signature(self._path) == self._written


def _without_duplicates(records: list[bytes]) -> tuple[list[bytes], list[LostName]]:
    """The records with each name left in the first one that has it, and what the others lose."""
    holders: dict[str, str] = {}
    kept: list[bytes] = []
    lost: list[LostName] = []
    for record in records:
        host = snapshot.unpack(record)
        names = tuple(name for name in host.names if name not in holders)
        lost += (LostName(n, host.names[0], holders[n]) for n in host.names if n in holders)
        holders |= dict.fromkeys(names, host.names[0])
        if names:
            kept.append(snapshot.pack(host._replace(names=names)))
    return kept, lost


def _pack(record: HostRecord, wall: float) -> bytes:
    endless = int(wall) + ENDLESS_SECONDS
    addresses = tuple(
        [
            Address(_BY_SIZE[len(a.address)], a.address, a.expires or endless, a.ifindex)
            for a in record.addresses
        ]
    )
    expect = frozenset([_FAMILIES[family] for family in record.awaited])
    return snapshot.pack(Host(record.names, addresses, record.pending_until, expect))


def _write(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a new file with mode 0644, ignoring the umask; follow no link."""
    with suppress(FileNotFoundError):
        path.unlink()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(fd, 0o644)
        for part in parts:
            rest = memoryview(part)
            while rest:
                rest = rest[os.write(fd, rest) :]
    finally:
        os.close(fd)
