"""What the history keeps of leases and of decisions on names: values to events.

It reads no clock and no file: times are arguments, Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

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
    told = [] if new is None else [_sighted(new, wall)]
    if old is None:
        return told
    if new is not None and new.mac == old.mac:
        return told if new.started != old.started else []
    why = None
    if change.new is not None:
        why = f"{change.new.mac} is there now" if change.new.mac else "nobody answers there"
    return [_event("quiet" if change.quiet else "gone", _seen(old), wall, why=why), *told]


class Failing:
    """Whose claims to a name failed last: of all that hold, most have nothing to tell.

    `known` are (network, address) of holdings.
    """

    def __init__(self, known: Iterable[tuple[str, str]] = ()) -> None:
        self._known = set(known)

    def tells(self, claim: Claim) -> bool:
        """Whether `of_claim` is worth asking, at each decision of the claim."""
        if claim.lease is None:
            return False
        if claim.trust == "owner" or not claim.lease.source:
            return claim.verdict in {"published", "refused"}
        if claim.verdict in {"refused", "conflict"}:
            self._known.add(_key(claim.lease))
            return True
        if claim.verdict == "published" and self._known and _key(claim.lease) in self._known:
            self._known.discard(_key(claim.lease))
            return True
        return False

    def forget(self, changes: Iterable[LeaseChange]) -> None:
        """Leases that are gone claim nothing."""
        if self._known:
            gone = (change.old for change in changes if change.new is None)
            self._known.difference_update(_key(lease) for lease in gone if lease is not None)


def of_claim(claim: Claim, wall: float) -> list[Event]:
    """What a decision tells, also when it is as before: the history keeps what is new."""
    if claim.lease is None:
        return []
    kind = _KINDS[claim.verdict]
    if kind == "published" and (claim.trust == "owner" or not claim.lease.source):
        kind = "named"
    domain = claim.name if claim.trust == "owner" else None
    event = _event(kind, claim.lease, wall, why=claim.reason)
    return [msgspec.structs.replace(event, name=claim.name, domain=domain)]


_KINDS: dict[Verdict, Kind] = {
    "refused": "refused",
    "conflict": "conflict",
    "published": "published",
}


def catch_up(recorded: Lease, now: LeaseChange | Neighbour | None, wall: float) -> list[Event]:
    """What became, unseen, of a lease that the history holds for current; `now` None: it is gone.

    `recorded` is as the history has it, without a source if it is a neighbour; `now` is the lease
    as though it was just added, or who is seen there without one.
    """
    if recorded.source and isinstance(now, LeaseChange):
        return of_change(LeaseChange(recorded, now.new, now.since, now.first_seen), wall)
    begun = [] if now is None else list(found([now], wall))
    if not recorded.source:
        if now is None:
            return [_event("quiet", recorded, wall)]
        if isinstance(now, LeaseChange) or now.mac == recorded.hwaddr:
            return begun
        ended = _event("gone", recorded, wall, why=f"{now.mac} is there now")
    elif 0 < recorded.expires <= wall:
        ended = _event("expired", recorded, wall, why="unseen")
    else:
        ended = _event("missed", recorded, wall, why="gone before its time, unseen")
    return [ended, *begun]


def found(held: Iterable[LeaseChange | Neighbour], wall: float) -> Iterator[Event]:
    """What holds now and began unseen."""
    for one in held:
        if isinstance(one, Neighbour):
            yield _sighted(one, wall, "found")
        elif one.new is not None:
            yield _event("added", one.new, wall, one.first_seen, "found")


def lost(count: int, why: str, wall: float) -> Event:
    """`count` changes could not be written."""
    return Event(kind="lost", time=wall, why=f"{count} changes were not written: {why}")


def _key(lease: Lease) -> tuple[str, str]:
    return lease.network, lease.address


def _seen(neighbour: Neighbour) -> Lease:
    return Lease(
        source="",
        network=neighbour.network,
        address=neighbour.address,
        family=neighbour.family,
        expires=0,
        hwaddr=neighbour.mac,
    )


def _sighted(neighbour: Neighbour, wall: float, why: str | None = None) -> Event:
    event = _event("seen", _seen(neighbour), wall, why=why)
    return msgspec.structs.replace(event, started=neighbour.started)


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
        address=lease.address,
        mac=lease.hwaddr,
        hostname=lease.hostname,
        client_id=lease.client_id,
        expires=lease.expires,
        first_seen=first_seen,
        why=why,
    )
