"""Decides which changes go into the history, and when. Pure: no clock, no file.

Most changes are written at once. If a client changes more often than a person would, its changes
wait for a minute, and only the last one of each address is written. So no guest can fill the
history, and the present state is never lost. `now` is monotonic, in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from leasewatch.addresses import Address
from leasewatch.leases.address_book import client_of
from leasewatch.leases.allowance import Allowance
from leasewatch.model import Claim, LeaseChange, Neighbour, NeighbourChange

OF_CLIENT: Final = 20, 60.0
"""Changes of one client at once, and seconds for each further one."""
OF_NETWORK: Final = 2000, 0.1
"""The same for all clients of a network without a recorded MAC: a guest can invent DUIDs."""
DELAY_SECONDS: Final = 60.0
MAX_DELAYED: Final = 50_000
"""Addresses whose changes may wait at a time; changes of others are written at once."""
_VERDICTS: Final = {"published", "refused", "conflict"}
"""What is written of a guest's claim to its own hostname…"""
_VERDICTS_OF_OTHERS: Final = {"published", "refused"}
"""…and of a domain's or a neighbour's."""


class Happened(NamedTuple):
    """A change at an address of a network, or a decided claim; `wall` is in Unix seconds."""

    wall: float
    network: str
    address: Address
    what: LeaseChange | NeighbourChange | Claim


class CatchUp(NamedTuple):
    """The whole state at `wall` (Unix seconds), for a history that missed something.

    `held`: leases as if each was just added, and neighbours without a lease.
    `lost`: how many changes were dropped before it.
    """

    wall: float
    held: list[LeaseChange | Neighbour]
    lost: int = 0


class _Delayed(NamedTuple):
    """The latest change of an address's `lease`, and its latest claims by `guest` and `owner`."""

    until: float
    latest: dict[str, Happened]


class Intake:
    """Decides what is written now. `failed`: (network, address) of guests' claims that failed last.

    `joined` counts changes that a newer one replaced before they were written.
    """

    def __init__(self, failed: Iterable[tuple[str, Address]] = ()) -> None:
        self._of_client = Allowance(*OF_CLIENT)
        self._of_network = Allowance(*OF_NETWORK)
        self._delayed: dict[tuple[str, Address], _Delayed] = {}
        self._outcomes: dict[tuple[str, Address, str | None], tuple[str, str | None]] = {
            (network, address, "guest"): ("", None) for network, address in failed
        }
        """Verdict and name of each address's last claims; without guests' claims that succeed."""
        self.joined = 0

    def leases(self, changes: list[LeaseChange], wall: float, now: float) -> list[Happened]:
        """The changes to write now."""
        admitted = []
        for change in changes:
            old, new = change.old, change.new
            lease = new or old
            if lease is None:
                continue
            if new is None:
                self._forget(lease.network, lease.address)
            same = (
                old is not None
                and new is not None
                and (client_of(old), old.hostname) == (client_of(new), new.hostname)
            )
            happened = Happened(wall, lease.network, lease.address, change)
            if self._is_admitted("lease", happened, lease.hwaddr, now, makes_row=not same):
                admitted.append(happened)
        return admitted

    def neighbours(self, changes: list[NeighbourChange], wall: float) -> list[Happened]:
        """The changes to write now; those where the same MAC only answered again make no row."""
        admitted = []
        for change in changes:
            there = change.new or change.old
            if there is not None and change.new is None:
                self._forget(there.network, there.address)
            if there is not None and _who(change.old) != _who(change.new):
                admitted.append(Happened(wall, there.network, there.address, change))
        return admitted

    def claim(self, claim: Claim, wall: float, now: float) -> list[Happened]:
        """The claim, if it is to be written now.

        Most claims are those of guests to their own hostnames and succeed: they make no row.
        """
        own_hostname = claim.trust == "guest" and claim.lease is not None
        verdicts = _VERDICTS if own_hostname else _VERDICTS_OF_OTHERS
        if claim.address is None or claim.verdict not in verdicts:
            return []
        key = claim.network, claim.address, claim.trust
        succeeds = own_hostname and claim.verdict == "published"
        if succeeds and key not in self._outcomes:
            return []
        outcome, former = (claim.verdict, claim.name), self._outcomes.pop(key, None)
        if not succeeds:
            self._outcomes[key] = outcome
        mac = claim.mac if claim.lease is None else claim.lease.hwaddr
        happened = Happened(wall, claim.network, claim.address, claim)
        kind, makes_row = claim.trust or "", outcome != former
        admitted = self._is_admitted(kind, happened, mac, now, makes_row=makes_row)
        return [happened] if admitted else []

    def due(self, now: float = math.inf) -> list[Happened]:
        """The changes that have waited long enough; all of them if no time is given."""
        places = [place for place, delayed in self._delayed.items() if delayed.until <= now]
        waited = [self._delayed.pop(place).latest for place in places]
        order = "lease", "guest", "owner"
        return [latest[kind] for latest in waited for kind in order if kind in latest]

    def forget_leases(self) -> None:
        """Drop delayed changes of leases, because a `CatchUp` follows; keep delayed claims."""
        for delayed in self._delayed.values():
            delayed.latest.pop("lease", None)

    def _is_admitted(
        self, kind: str, happened: Happened, mac: str | None, now: float, *, makes_row: bool
    ) -> bool:
        """Whether to write it now; otherwise it waits. Only what makes a row is limited."""
        place = happened.network, happened.address
        delayed = self._delayed.get(place)
        if delayed is None:
            if not makes_row or len(self._delayed) >= MAX_DELAYED:
                return True
            of = "lease" if kind == "lease" else "claim"
            limit, who = (self._of_client, mac) if mac else (self._of_network, "")
            if limit.take(f"{of} {happened.network} {who}", now):
                return True
            delayed = self._delayed[place] = _Delayed(now + DELAY_SECONDS, {})
        self.joined += kind in delayed.latest
        delayed.latest[kind] = happened
        return False

    def _forget(self, network: str, address: Address) -> None:
        """Forget the claims of an address that is gone."""
        if self._outcomes:
            self._outcomes.pop((network, address, "guest"), None)
            self._outcomes.pop((network, address, "owner"), None)


def _who(neighbour: Neighbour | None) -> tuple[str, float] | None:
    """Which known MAC is there, in which run of its domain."""
    if neighbour is None or not neighbour.mac or not neighbour.known:
        return None
    return neighbour.mac, neighbour.started
