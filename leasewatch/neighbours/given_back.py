"""Which leases were given back. Times are Unix seconds.

A lease that is gone before its end contradicts what was seen at its address. A lease that ended at
its time does not: its machine may be asleep, or its DHCP client dead. Nor does a lease file that is
no longer watched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from leasewatch.addresses import Address
from leasewatch.leases.address_book import client_of
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
    """When it was given back; None: no end is known."""


def is_given_back(change: LeaseChange, wall: float) -> bool:
    """Whether its lease was given back, or another client has the address now."""
    old, new = change.old, change.new
    if old is None or change.since == 0 or 0 < old.expires <= wall:
        return False
    return new is None or client_of(old) != client_of(new)


def unseen(
    past: Iterable[Past], held: Iterable[Lease], networks: Iterable[str], wall: float
) -> Iterator[tuple[Past, float]]:
    """The past leases that were given back while no service ran, and by when.

    `held`: all current leases of these `networks`. Other networks are not known completely.
    """
    there = {(lease.network, lease.address, lease.hwaddr) for lease in held}
    known = set(networks)
    for one in past:
        ended = 0 < one.expires <= wall
        if one.until is not None:
            yield one, one.until
        elif one.network in known and not ended and one[:3] not in there:
            yield one, wall
