"""Keeps one guest from filling the history: what changes too often is joined before it is written.

A client may change its leases as often as a person would; beyond that its changes are held back for
a minute, and each address of it then tells once what has become of it. Nothing that holds is lost.
It writes nothing and reads no clock: `now` is monotonic, in seconds.
"""

from __future__ import annotations

import math
from typing import Final

import msgspec

from leasewatch.addresses import Address
from leasewatch.history.queue import Happened
from leasewatch.leases.allowance import Allowance
from leasewatch.leases.first_seen import client_of
from leasewatch.model import Claim, LeaseChange, NeighbourChange

OF_CLIENT: Final = 20, 60.0
"""Changes of one client at once, and seconds for each further one."""
OF_NETWORK: Final = 2000, 0.1
"""…and of all clients of a network whose MAC no server recorded: a guest can be any number of
them (RFC 8415, 11)."""
HOLD_SECONDS: Final = 60.0
"""How long changes are held back."""
MOST: Final = 50_000
"""Addresses whose changes are held back; more are written at once."""
_DECISIONS: Final = 16_384
"""That are remembered."""

_Place = tuple[str, Address]
"""Network and address."""


class _Held(msgspec.Struct, gc=False):
    until: float
    change: Happened | None = None
    """All changes of the lease since then in one."""
    claims: dict[str | None, Happened] = {}
    """The last decision for the owner, and for the guest."""


class Calm:
    """`joined` counts what was never written, as something newer took its place."""

    def __init__(self) -> None:
        self._of_client = Allowance(*OF_CLIENT)
        self._of_network = Allowance(*OF_NETWORK)
        self._held: dict[_Place, _Held] = {}
        self._told: dict[tuple[_Place, str | None], tuple[object, ...]] = {}
        """The last decisions: most tell nothing new."""
        self.joined = 0

    def take(self, happened: Happened, now: float) -> list[Happened]:
        """What is to be written of it now."""
        what = happened.what
        if isinstance(what, NeighbourChange):
            return [happened]
        lease = what.lease if isinstance(what, Claim) else what.new or what.old
        held_at = what if isinstance(what, Claim) else lease
        if held_at is None or held_at.address is None:
            return [happened]
        place = held_at.network, held_at.address
        held = self._held.get(place)
        if held is None:
            mac = lease.hwaddr if lease is not None else None
            if not self._is_telling(what) or self._may(what, place[0], mac, now):
                return [happened]
            if len(self._held) >= MOST:
                return [happened]
            held = self._held[place] = _Held(now + HOLD_SECONDS)
        if isinstance(what, Claim):
            self.joined += what.trust in held.claims
            held.claims[what.trust] = happened
        else:
            self.joined += held.change is not None
            held.change = _joined(held.change, Happened(happened.wall, what))
        return []

    def due(self, now: float = math.inf) -> list[Happened]:
        """What has been held back long enough; all of it where no time is given."""
        places = [place for place, held in self._held.items() if held.until <= now]
        found: list[Happened] = []
        for place in places:
            held = self._held.pop(place)
            found += [held.change] if held.change is not None else []
            found += held.claims.values()
        return found

    def forget_changes(self) -> None:
        """What holds is written as it is now; only decisions are still to be told."""
        for held in self._held.values():
            held.change = None

    def _is_telling(self, what: LeaseChange | Claim) -> bool:
        """Whether it may make a row: a renewal makes none, nor a decision as before."""
        if isinstance(what, LeaseChange):
            old, new = what.old, what.new
            if old is None or new is None:
                return True
            return (client_of(old), old.hostname) != (client_of(new), new.hostname)
        if what.address is None:
            return False
        place, told = (what.network, what.address), (what.verdict, what.name)
        former = self._told.pop((place, what.trust), None)
        if len(self._told) >= _DECISIONS:
            del self._told[next(iter(self._told))]
        self._told[place, what.trust] = told
        return told != former

    def _may(self, what: LeaseChange | Claim, network: str, mac: str | None, now: float) -> bool:
        kind = "claim" if isinstance(what, Claim) else "change"
        if mac is None:
            return self._of_network.take(f"{kind} {network}", now)
        return self._of_client.take(f"{kind} {network} {mac}", now)


def _joined(former: Happened | None, latest: Happened) -> Happened:
    """Both as though they were one change."""
    if former is None:
        return latest
    before, after = former.what, latest.what
    if not isinstance(before, LeaseChange) or not isinstance(after, LeaseChange):
        return latest
    return latest._replace(what=msgspec.structs.replace(after, old=before.old))
