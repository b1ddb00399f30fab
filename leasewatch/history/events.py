"""What the history keeps of leases and of decisions on names: values to events.

It reads no clock and no file: times are arguments, Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.leases.first_seen import client_of
from leasewatch.model import Claim, Lease, LeaseChange, Neighbour, NeighbourChange, Verdict

Kind = Literal[
    "added",
    "renewed",
    "renamed",
    "replaced",
    "expired",
    "released",
    "withdrawn",
    "missed",
    "seen",
    "gone",
    "quiet",
    "named",
    "refused",
    "conflict",
    "published",
    "lost",
]
"""What happened. A *holding* is a client's time at an address under one hostname.

- `added`: a holding begins; `renamed`: it ends and another of the same client begins, whose
  hostname is another.
- It ends: `expired`; `released` before its time; `replaced` by another client; `withdrawn`, its
  file is watched no longer; `missed`, it was gone before its time when leasewatch looked again.
- `seen`: a holding begins, of a domain's or lease's MAC that the bridge sees at an address that no
  lease has. It ends as `replaced` when that address is leased; `gone`: its domain has ended, nobody
  answers there, or another MAC does.
- `named`: it belongs to a domain, or a neighbour to a guest that has a lease; `refused`,
  `conflict`: its guest's claim to a name failed, or the domain's name cannot be one; `published`:
  a guest's claim that had failed holds now.
- `lost`: events that could not be written, of no holding.

Two make no row. `renewed` moves the end of its holding: thousands of guests renew every few
minutes. `quiet` ends one that was `seen` of which nothing was heard for a day, that the kernel had
forgotten when leasewatch looked again, that newer ones of its MAC pushed out, or whose bridge or
prefix went: if it is seen within a day, and in the same run of its domain, it was there all along.
"""


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One thing that happened to a lease; of `renamed`, what it is from now on."""

    kind: Kind
    time: float
    network: str = ""
    address: str = ""
    mac: str | None = None
    hostname: str | None = None
    client_id: str | None = None
    expires: int = 0
    """0: never."""
    first_seen: float = 0.0
    """When the client first appeared under its hostname; of `added` and `renamed` alone."""
    started: float = 0.0
    """When the domain was started whose card was seen, 0: not known, or none; of `seen` alone."""
    name: str | None = None
    """The name that was claimed or given."""
    domain: str | None = None
    """The domain whose name it is; None: it is the guest's."""
    why: str | None = None


def of_change(change: LeaseChange, wall: float) -> list[Event]:
    """What a change of a lease tells."""
    old, new = change.old, change.new
    if old is None:
        return [_event("added", new, wall, change.first_seen)] if new else []
    if new is None:
        return [_ended(old, wall, withdrawn=change.since == 0)]
    if client_of(old) != client_of(new):
        why = f"{client_of(new)} has the address now"
        return [
            _event("replaced", old, wall, why=why),
            _event("added", new, wall, change.first_seen),
        ]
    if old.hostname != new.hostname:
        why = f"was {old.hostname}" if old.hostname else "had no name"
        return [_event("renamed", new, wall, change.first_seen, why)]
    if (old.expires, old.client_id) != (new.expires, new.client_id):
        return [_event("renewed", new, wall)]
    return []


def of_neighbour(change: NeighbourChange, wall: float) -> list[Event]:
    """What a change of the neighbour table tells.

    Of MACs that nobody knows nothing: a guest can make up as many as it likes.
    """
    old, new = (
        n if n is not None and n.mac and n.known else None for n in (change.old, change.new)
    )
    told = [] if new is None else [_of_seen("seen", new, wall)]
    if old is None:
        return told
    if new is not None and new.mac == old.mac:
        return told if new.started != old.started else []
    why = None
    if change.new is not None:
        why = f"{change.new.mac} is there now" if change.new.mac else "nobody answers there"
    return [_of_seen("quiet" if change.quiet else "gone", old, wall, why), *told]


class Failing:
    """Whose claims to a name failed last: of all that hold, most have nothing to tell.

    `known` are (network, address) of holdings.
    """

    def __init__(self, known: Iterable[tuple[str, Address]] = ()) -> None:
        self._known = set(known)

    def tells(self, claim: Claim) -> bool:
        """Whether `of_claim` is worth asking, at each decision of the claim."""
        if claim.address is None:
            return False
        if claim.trust == "owner" or claim.lease is None:
            return claim.verdict in {"published", "refused"}
        failed = claim.verdict in {"refused", "conflict"}
        if not failed and not (claim.verdict == "published" and self._known):
            return False
        key = claim.network, claim.address
        was_known = key in self._known
        (self._known.add if failed else self._known.discard)(key)
        return failed or was_known

    def forget(self, changes: Iterable[LeaseChange]) -> None:
        """Leases that are gone claim nothing."""
        if self._known:
            gone = (change.old for change in changes if change.new is None)
            self._known.difference_update((old.network, old.address) for old in gone if old)


def of_claim(claim: Claim, wall: float) -> list[Event]:
    """What a decision tells, also when it is as before: the history keeps what is new."""
    if claim.address is None:
        return []
    kind = _KINDS[claim.verdict]
    if kind == "published" and (claim.trust == "owner" or claim.lease is None):
        kind = "named"
    return [
        Event(
            kind=kind,
            time=wall,
            network=claim.network,
            address=addresses.text(claim.address),
            name=claim.name,
            domain=claim.name if claim.trust == "owner" else None,
            why=claim.reason,
        )
    ]


_KINDS: dict[Verdict, Kind] = {
    "refused": "refused",
    "conflict": "conflict",
    "published": "published",
}


def catch_up(
    recorded: Lease | Neighbour, now: LeaseChange | Neighbour | None, wall: float
) -> list[Event]:
    """What became, unseen, of what the history holds for current; `now` None: it is gone.

    `now` is the lease as if it was just added, or who is seen there without one.
    """
    if isinstance(recorded, Lease) and isinstance(now, LeaseChange):
        return of_change(LeaseChange(recorded, now.new, now.since, now.first_seen), wall)
    begun = [] if now is None else list(found([now], wall))
    if isinstance(recorded, Neighbour):
        if now is None:
            return [_of_seen("quiet", recorded, wall)]
        if isinstance(now, LeaseChange) or now.mac == recorded.mac:
            return begun
        return [_of_seen("gone", recorded, wall, f"{now.mac} is there now"), *begun]
    if 0 < recorded.expires <= wall:
        return [_event("expired", recorded, wall, why="unseen"), *begun]
    return [_event("missed", recorded, wall, why="gone before its time, unseen"), *begun]


def found(held: Iterable[LeaseChange | Neighbour], wall: float) -> Iterator[Event]:
    """What holds now and began unseen."""
    for one in held:
        if isinstance(one, Neighbour):
            yield _of_seen("seen", one, wall, "found")
        elif one.new is not None:
            yield _event("added", one.new, wall, one.first_seen, "found")


def lost(count: int, why: str, wall: float) -> Event:
    """`count` changes could not be written."""
    return Event(kind="lost", time=wall, why=f"{count} changes were not written: {why}")


def _of_seen(kind: Kind, neighbour: Neighbour, wall: float, why: str | None = None) -> Event:
    return Event(
        kind=kind,
        time=wall,
        network=neighbour.network,
        address=addresses.text(neighbour.address),
        mac=neighbour.mac,
        started=neighbour.started if kind == "seen" else 0.0,
        why=why,
    )


def _ended(old: Lease, wall: float, *, withdrawn: bool) -> Event:
    if 0 < old.expires <= wall:
        return _event("expired", old, wall)
    if withdrawn:
        return _event("withdrawn", old, wall, why="its lease file is watched no longer")
    return _event("released", old, wall)


def _event(
    kind: Kind, lease: Lease, wall: float, first_seen: float = 0.0, why: str | None = None
) -> Event:
    return Event(
        kind=kind,
        time=wall,
        network=lease.network,
        address=addresses.text(lease.address),
        mac=lease.hwaddr,
        hostname=lease.hostname,
        client_id=lease.client_id,
        expires=lease.expires,
        first_seen=first_seen,
        why=why,
    )
