"""The host table on its way to the file that the NSS module reads.

Each name's records are packed once; a publish builds the whole file, reads it back through the
module's own reader and renames it into place. Whatever fails, the file that was there stays.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from leasewatch.files.reading import signature
from leasewatch.hosttable.shared_names import UNSHARED, LeftOut, Ranked, settle
from leasewatch.model import HostAddress, HostRecord
from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Address, DuplicateNameError, Host

ENDLESS_SECONDS = 24 * 3600
"""A never-ending lease is published as ending so far ahead…"""
REFRESH_SECONDS = 12 * 3600
"""…and published anew so often."""

_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class Publisher:
    """Packed records by name, and the file. Times are Unix seconds."""

    def __init__(self, path: Path) -> None:
        self.generation = 0
        self._path = path
        self._owners: dict[str, bytes] = {}
        self._guests: dict[str, bytes] = {}
        self._below: dict[str, tuple[bytes, ...]] = {}
        """Records of NAME.NETWORK.SUFFIX alone. An address belongs to the first record that holds
        it, hence the three in this order."""
        self._settlement = UNSHARED
        self._endless: dict[str, tuple[HostRecord, ...]] = {}
        self._refresh_at = 0.0
        self._written: tuple[int, ...] | None = None

    def adopt(self, wall: float) -> int:
        """Go on from the generation of the file that is there; returns how many hosts it holds.

        Raises SnapshotError when it is damaged: it will be replaced.
        """
        self.generation = int(wall)
        if not self._path.exists():
            return 0
        found = snapshot.check(self._path)
        self.generation = found.generation
        return found.hosts

    def __len__(self) -> int:
        """Names that answer."""
        return len(self._owners) + len(self._guests)

    def set(self, name: str, records: tuple[HostRecord, ...], wall: float) -> bool:
        """What `name` answers from now on: the bare name's record first; none: nothing.

        Returns whether that changes the table. Raises ValueError where a record does not fit into
        it; the former ones stay until they end.
        """
        if records and self._endless.get(name) == records:
            return False
        self._endless.pop(name, None)
        packed = [snapshot.pack(_host(record, wall)) for record in records]
        if name in self._settlement.hosts:
            self._settlement = UNSHARED
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
        """When never-ending leases must be published anew; None: there are none."""
        return self._refresh_at if self._endless else None

    def refresh(self, wall: float) -> bool:
        """Move the ends of never-ending leases ahead if it is time; True: publish."""
        if not self._endless or wall < self._refresh_at:
            return False
        endless, self._endless = self._endless, {}
        for name, records in endless.items():
            self.set(name, records, wall)
        self._refresh_at = wall + REFRESH_SECONDS
        return True

    def publish(self, wall: float, pending_wait: int) -> list[LeftOut]:
        """Write the table; raises OSError, SnapshotError or ValueError and keeps the old file.

        `pending_wait`: seconds that the look-up of a pending name may take. Returns the names that
        it holds for one host although another has them, too.
        """
        try:
            parts = self._assemble(wall, pending_wait)
        except DuplicateNameError:
            self._settlement = settle(self._ranked())
            parts = self._assemble(wall, pending_wait)
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
        return self._settlement.left_out

    def _assemble(self, wall: float, pending_wait: int) -> tuple[memoryview, bytes]:
        below = chain.from_iterable(self._below.values())
        return snapshot.assemble(
            self._settlement.apply([*self._owners.values(), *self._guests.values(), *below]),
            generation=self.generation + 1,
            published=int(wall),
            pending_wait=pending_wait * 1000,
        )

    def _ranked(self) -> Iterator[Ranked]:
        """The records in the order of the file: an owner's goes before a guest's."""
        for name, record in self._owners.items():
            yield Ranked(0, name, record)
        for name, record in self._guests.items():
            yield Ranked(1, name, record)
        for name, records in self._below.items():
            rank = 0 if name in self._owners else 1
            yield from (Ranked(rank, name, record) for record in records)

    def is_intact(self) -> bool:
        """Whether the file is still the one that was written last."""
        return self._written is not None and signature(self._path) == self._written


def _host(record: HostRecord, wall: float) -> Host:
    addresses = tuple(_address(a, wall) for a in record.addresses)
    expect = frozenset(_FAMILIES[family] for family in record.awaited)
    return Host(record.names, addresses, record.pending_until, expect)


def _address(address: HostAddress, wall: float) -> Address:
    family = _FAMILIES[address.family]
    expires = address.expires or int(wall) + ENDLESS_SECONDS
    return Address(family, socket.inet_pton(family, address.address), expires, address.ifindex)


def _write(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """A new file of mode 0644 whatever the umask is, never through a link."""
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
