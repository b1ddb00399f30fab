"""Writes the host table, the file that the NSS module reads.

The table is kept in memory as its file will hold it, and only changed records touch it. `publish`
writes a whole new file, reads it back with the module's own reader and renames it into place. If
anything fails, the old file stays.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from leasewatch.files.reading import signature
from leasewatch.model import HostRecord
from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import RANK_BELOW, Address, DuplicateNameError, Host, SnapshotError, Table

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
    """The table in memory, and its file. Times are Unix seconds.

    A reverse lookup of an address finds an owner's record of a bare name first, then a guest's, and
    then one without the bare name, e.g. NAME.NETWORK.SUFFIX.
    """

    def __init__(self, path: Path) -> None:
        self.generation = 0
        self.refresh_at: float | None = None
        """When leases without end must be published again; None: there are none."""
        self._path = path
        self._table = Table()
        self._below: dict[str, dict[str, bytes]] = {}
        """By name: its records without the bare name, each by the first of its own names."""
        self._left_out: dict[str, dict[str, bytes]] = {}
        """The same, of those that are not in the table: another record has one of their names, or
        the table is full. `publish` tries again."""
        self._full: SnapshotError | None = None
        self._endless: dict[str, tuple[HostRecord, ...]] = {}
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
        return len(self._table) - sum(map(len, self._below.values()))

    def set(self, name: str, records: tuple[HostRecord, ...], wall: float) -> bool:
        """Set what `name` answers, the record of the bare name first.

        Returns whether that changes the table. Raises ValueError if a record does not fit; then
        the old records stay until they end.
        """
        if records and self._endless.get(name) == records:
            return False
        self._endless.pop(name, None)
        packed = {record.names[0]: _pack(name, record, wall) for record in records}
        if any(not a.expires for record in records for a in record.addresses):
            self._endless[name] = records
        self.refresh_at = self.refresh_at or wall + REFRESH_SECONDS if self._endless else None
        held = self._below.pop(name, {})
        kept = {first: record for first, record in held.items() if packed.get(first) == record}
        changed = self._left_out.pop(name, None) is not None
        for first in held.keys() - kept.keys():
            changed |= self._table.remove(first, below=True)
        if name not in packed:
            changed |= self._table.remove(name)
        return self._add(name, packed, kept) or changed

    def _add(self, name: str, packed: dict[str, bytes], below: dict[str, bytes]) -> bool:
        """Put in the records of `name` that are not in the table; `below`: those that are."""
        changed, left_out = False, {}
        for first, record in packed.items():
            if first in below:
                continue
            try:
                changed |= self._table.put(record)
                if first != name:
                    below[first] = record
            except (DuplicateNameError, SnapshotError) as error:
                left_out[first] = record
                self._full = error if isinstance(error, SnapshotError) else self._full
        if below:
            self._below[name] = below
        if left_out:
            self._left_out[name] = left_out
        if name in left_out:
            self._table.remove(name)
        return changed or bool(left_out)

    def refresh(self, wall: float) -> bool:
        """Publish later ends for leases without end, if it is time; True: call `publish`."""
        if self.refresh_at is None or wall < self.refresh_at:
            return False
        endless, self._endless, self.refresh_at = self._endless, {}, None
        for name, records in endless.items():
            self.set(name, records, wall)
        return True

    def publish(self, wall: float, pending_wait: int) -> list[LostName]:
        """Write the table. Raises OSError, SnapshotError or ValueError and keeps the old file.

        `pending_wait`: seconds that the lookup of a pending name may take. The policy gives each
        name to one host. If it ever fails to, the later record loses the name; the losses are
        returned.
        """
        self._full = None
        for name in list(self._left_out):
            self._add(name, self._left_out.pop(name), self._below.get(name, {}))
        if self._full is not None:
            raise self._full
        table, lost = self._table, list[LostName]()
        if self._left_out:
            table, lost = self._without_duplicates()
        parts = table.parts(
            generation=self.generation + 1, published=int(wall), pending_wait=pending_wait * 1000
        )
        temporary = self._path.with_name(f".{self._path.name}.new")
        try:
            temporary.unlink(missing_ok=True)
            with open(temporary, "xb", opener=partial(os.open, mode=0o644)) as file:
                os.fchmod(file.fileno(), 0o644)  # also with another umask
                file.writelines(parts)
            table.read_back(temporary)
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

    def _without_duplicates(self) -> tuple[Table, list[LostName]]:
        """A table of all records, each name left in the first one that has it; what others lose."""
        left_out = (record for packed in self._left_out.values() for record in packed.values())
        hosts = [*self._table.hosts(), *map(snapshot.unpack, left_out)]
        holders: dict[str, str] = {}
        table, lost = Table(), list[LostName]()
        for host in sorted(hosts, key=attrgetter("rank")):
            names = tuple(name for name in host.names if name not in holders)
            lost += (LostName(n, host.names[0], holders[n]) for n in host.names if n in holders)
            holders |= dict.fromkeys(names, host.names[0])
            if names:
                table.put(snapshot.pack(host._replace(names=names)))
        return table, lost


def _pack(name: str, record: HostRecord, wall: float) -> bytes:
    """The packed record, one of those that `name` answers with."""
    endless = int(wall) + ENDLESS_SECONDS
    addresses = tuple(
        [
            Address(_BY_SIZE[len(a.address)], a.address, a.expires or endless, a.ifindex)
            for a in record.addresses
        ]
    )
    expect = frozenset([_FAMILIES[family] for family in record.awaited])
    rank = RANK_BELOW if record.names[0] != name else int(record.trust == "guest")
    return snapshot.pack(Host(record.names, addresses, record.pending_until, expect, rank))
