"""Which record speaks for each address, and the times of `LeaseChange`.

In: records that count, and those that are gone. Out: `LeaseChange` values. Clocks are arguments.
dnsmasq writes one record an address. In the file of another program, the longest lease of an
address speaks for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush

import msgspec

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.leases.allowance import Allowance
from leasewatch.model import Lease, LeaseChange

NEW_NAMES = 32, 60.0
"""New hostnames of one client that are remembered at once; seconds for each further one."""


class FirstSeen:
    """When each client was first seen with each hostname: the newer of two claims wins.

    Shared by all trackers: no two of its times are equal. It remembers up to `limit` pairs of
    client and hostname, even of clients that have gone, and forgets the oldest. `remembered`:
    (client as of `client_of`, hostname, Unix seconds), the oldest first.
    """

    def __init__(
        self, limit: int = 250_000, remembered: Iterable[tuple[str, str, float]] = ()
    ) -> None:
        self._seen: dict[str, float] = {}
        """By client and hostname in one string: a pair would take twice the memory."""
        self._limit = limit
        self._new_names = Allowance(*NEW_NAMES)
        self._last = 0.0
        for client, hostname, seen in remembered:
            self._seen[f"{client} {hostname}"] = self._last = seen
        for key in [*self._seen][:-limit]:
            del self._seen[key]

    def tick(self, wall: float) -> float:
        """A time never given out before: `wall`, or a microsecond after the last one."""
        self._last = max(wall, self._last + 1e-6, math.nextafter(self._last, math.inf))
        return self._last

    def see(self, lease: Lease, wall: float) -> float:
        """When the lease's client first appeared under its hostname."""
        if lease.hostname is None:
            return self.tick(wall)
        client = client_of(lease)
        key = f"{client} {lease.hostname}"  # neither holds a space
        seen = self._seen.get(key)
        if seen is None:
            seen = self.tick(wall)
            if self._new_names.take(client, wall):  # one guest must not push out the rest
                if len(self._seen) >= self._limit:
                    del self._seen[next(iter(self._seen))]
                self._seen[key] = seen
        return seen


def client_of(lease: Lease) -> str:
    """Who holds the lease, as far as the file says."""
    return lease.hwaddr or lease.client_id or addresses.text(lease.address)


class AddressBook:
    """The leases that hold, by address. A lease holds from `put` to `drop`, or until it expires."""

    def __init__(self, first_seen: FirstSeen) -> None:
        self.expired: dict[bytes, Lease] = {}
        """By record: the file still lists them."""
        self._entries: dict[Address, _Entry] = {}
        self._rivals: dict[Address, dict[bytes, Lease]] = {}
        """Further records of addresses that have one."""
        self._first_seen = first_seen
        self._due: list[tuple[int, Address]] = []
        """A heap of (expires, address); entries that hold no longer are skipped."""
        self._wall = 0.0
        """The latest time that is known: a clock may be set back."""

    def __len__(self) -> int:
        """How many leases hold."""
        return len(self._entries)

    def leases(self) -> Iterator[Lease]:
        """Those that hold."""
        return (entry.lease for entry in self._entries.values())

    def record_at(self, address: Address) -> bytes | None:
        """The record that speaks for the address."""
        entry = self._entries.get(address)
        return entry.record if entry else None

    def put(self, record: bytes, lease: Lease, wall: float, *, replace: bool) -> list[LeaseChange]:
        """Add a record; `replace`: the one that spoke for its address is no longer in the file."""
        if 0 < lease.expires <= wall:
            self.expired[record] = lease
            self._wall = max(self._wall, wall)
            return self._vacate(lease.address, wall) if replace else []
        entry = self._entries.get(lease.address)
        if entry is None:
            since = self._first_seen.tick(wall)
            entry = _Entry(record, lease, since, self._first_seen.see(lease, wall))
            self._entries[lease.address] = entry
            self._schedule(lease)
            return [LeaseChange(None, lease, since, entry.first_seen, wall)]
        if replace or (lease.expires or math.inf) > (entry.lease.expires or math.inf):
            if not replace:
                self._rivals.setdefault(lease.address, {})[entry.record] = entry.lease
            return [self._hand_over(entry, record, lease, wall)]
        self._rivals.setdefault(lease.address, {})[record] = lease
        return []

    def drop(self, record: bytes, lease: Lease, wall: float) -> list[LeaseChange]:
        """Remove a record."""
        if self.expired.pop(record, None) is not None:
            return []
        if self._entries[lease.address].record == record:
            return self._vacate(lease.address, wall)
        del self._rivals[lease.address][record]
        return []

    def expire(self, wall: float) -> list[LeaseChange]:
        """Remove the leases that have expired; if the clock was set back, add them again."""
        changes: list[LeaseChange] = []
        if wall < self._wall:  # the clock was set back
            for record, lease in [one for one in self.expired.items() if one[1].expires > wall]:
                del self.expired[record]
                changes += self.put(record, lease, wall, replace=False)
        self._wall = wall
        while (due := self.next_expiry()) is not None and due <= wall:
            address = heappop(self._due)[1]
            entry = self._entries.pop(address)
            self.expired[entry.record] = entry.lease
            self.expired.update(self._rivals.pop(address, {}))  # they end sooner
            changes.append(LeaseChange(entry.lease, None, entry.since, entry.first_seen))
        return changes

    def next_expiry(self) -> int | None:
        """Unix seconds of the next lease to expire; None: none will."""
        while self._due:
            expires, address = self._due[0]
            entry = self._entries.get(address)
            if entry is not None and entry.lease.expires == expires:
                return expires
            heappop(self._due)
        return None

    def _vacate(self, address: Address, wall: float) -> list[LeaseChange]:
        """Let a rival speak for the address, or nothing."""
        entry = self._entries[address]
        rivals = self._rivals.pop(address, None)
        if rivals:
            record = max(rivals, key=lambda one: rivals[one].expires or math.inf)
            lease = rivals.pop(record)
            if rivals:
                self._rivals[address] = rivals
            return [self._hand_over(entry, record, lease, wall)]
        del self._entries[address]
        return [LeaseChange(entry.lease, None, entry.since, entry.first_seen)]

    def _hand_over(self, entry: _Entry, record: bytes, lease: Lease, wall: float) -> LeaseChange:
        """Let another record speak for the address: a renewal, another client or name."""
        old = entry.lease
        if client_of(old) != client_of(lease):
            entry.since = self._first_seen.tick(wall)
        if (client_of(old), old.hostname) != (client_of(lease), lease.hostname):
            entry.first_seen = self._first_seen.see(lease, wall)
        entry.record, entry.lease = record, lease
        self._schedule(lease)
        return LeaseChange(old, lease, entry.since, entry.first_seen, wall)

    def _schedule(self, lease: Lease) -> None:
        if lease.expires:
            heappush(self._due, (lease.expires, lease.address))
        if len(self._due) > 2 * len(self._entries) + 64:
            leases = self.leases()
            self._due = [(one.expires, one.address) for one in leases if one.expires]
            heapify(self._due)


class _Entry(msgspec.Struct, gc=False):
    record: bytes
    lease: Lease
    since: float
    """As in `LeaseChange`, like `first_seen`."""
    first_seen: float
