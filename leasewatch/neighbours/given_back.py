"""Which changes of leases say that a lease was given back. Pure: times are Unix seconds.

A lease that is gone before its end contradicts what was seen at its address before. One that ended
at its time does not: its machine may be asleep, or its DHCP client dead. Neither does a lease file
that is watched no longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from leasewatch.addresses import Address
from leasewatch.model import Lease, LeaseChange


class Past(NamedTuple):
    """A lease of an earlier time."""

    network: str
    address: Address
    mac: str | None
    """None: the server did not record it."""
    expires: int
    """0: never."""
    until: float | None
    """When it was given back; None: nobody knows of its end."""


def given_back(changes: Iterable[LeaseChange], wall: float) -> Iterator[Lease]:
    """The leases that were given back, or whose address is another client's now."""
    for change in changes:
        old, new = change.old, change.new
        if old is None or change.since == 0 or 0 < old.expires <= wall:
            continue
        if new is None or _client(old) != _client(new):
            yield old


def unseen(
    past: Iterable[Past], held: Iterable[Lease], networks: Iterable[str], wall: float
) -> Iterator[tuple[Past, float]]:
    """Of past leases those that were given back, and by when.

    `held`: the leases of now, which are all that there are in these `networks`.
    """
    there = {(lease.network, lease.address, lease.hwaddr) for lease in held}
    known = set(networks)
    for one in past:
        ended = 0 < one.expires <= wall
        if one.until is not None:
            yield one, one.until
        elif one.network in known and not ended and one[:3] not in there:
            yield one, wall


def _client(lease: Lease) -> str | None:
    return lease.hwaddr or lease.client_id
