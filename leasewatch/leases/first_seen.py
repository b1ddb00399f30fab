"""When each client was first seen with each hostname: this decides which of two claims is newer.

In: leases as they appear, and what the history remembers. Out: `LeaseChange.first_seen`. It reads
no clock and no file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from leasewatch import addresses
from leasewatch.leases.allowance import Allowance
from leasewatch.model import Lease

NEW_NAMES = 32, 60.0
"""New hostnames of one client that are remembered at once; seconds for each further one."""


class FirstSeen:
    """Shared by all trackers: no two of its times are equal.

    It remembers up to `limit` pairs of client and hostname, even of clients that have gone. Then it
    forgets the oldest. `remembered`: (client as of `client_of`, hostname, Unix seconds), the oldest
    first.
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
            self._note(_key(client, hostname), seen)
            self._last = seen

    def tick(self, wall: float) -> float:
        """A time never given out before: `wall`, or a microsecond after the last one."""
        self._last = max(wall, self._last + 1e-6, math.nextafter(self._last, math.inf))
        return self._last

    def see(self, lease: Lease, wall: float) -> float:
        """When the lease's client first appeared under its hostname."""
        if lease.hostname is None:
            return self.tick(wall)
        key = _key(client_of(lease), lease.hostname)
        seen = self._seen.get(key)
        if seen is None:
            seen = self.tick(wall)
            if self._new_names.take(client_of(lease), wall):  # one guest must not push out the rest
                self._note(key, seen)
        return seen

    def _note(self, key: str, seen: float) -> None:
        if len(self._seen) >= self._limit and key not in self._seen:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = seen


def _key(client: str, hostname: str) -> str:
    return f"{client} {hostname}"  # neither holds a space


def client_of(lease: Lease) -> str:
    """Who holds the lease, as far as the file says."""
    return lease.hwaddr or lease.client_id or addresses.text(lease.address)
