"""How a holding begins, changes and ends. Pure: times are arguments, Unix seconds.

A holding is a client's time at one address under one hostname. At most one holding of an address is
open. `HistoryFile` finds the last holding of an address, calls `after`, and stores what it returns.

    state           what happens                            next state      events
    --------------  --------------------------------------  --------------  -------------------
    none or ended   the address is leased                   open lease      added
                    a known MAC is seen there               open neighbour  seen
    open lease      the client renews it                    open lease      none: its end moves
                    the client changes its hostname         renamed, next   renamed
                    another client has the address          replaced, next  replaced, added
                    it is gone after its end                expired         expired
                    it is gone before its end               released        released
                    its lease file is no longer watched     withdrawn       withdrawn
                    it went while no service ran            missed          missed
    open neighbour  its MAC has a lease within 10 s         open lease      added, without seen
                    its address is leased otherwise         replaced, next  replaced, added
                    another MAC or nobody answers           gone            gone
                    its domain was started since            gone, next      gone, seen
                    it was not seen for long                quiet           none
    quiet           its MAC is seen again within a day, in  open neighbour  none: it was there
                    the same run of its domain
    open, of any    a domain's name is published or         open            named, refused
    origin          refused
                    the claim to its hostname fails         open            refused, conflict
                    that claim holds again                  open            published
                    a neighbour gets a guest's name         open            named
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from leasewatch import addresses
from leasewatch.leases.address_book import client_of
from leasewatch.model import Claim, Lease, LeaseChange, Neighbour, NeighbourChange, Origin

FORESEEN_SECONDS: Final = 10.0
"""A DHCP server puts its client's address into the neighbour table before it writes the lease. A
neighbour seen so shortly before its lease is that lease."""
QUIET_SECONDS: Final = 24 * 3600.0
"""A quiet holding continues if its MAC is seen again within this time."""

End = Literal[
    "renamed", "replaced", "expired", "released", "withdrawn", "missed", "gone", "quiet"
]  # fmt: skip
Kind = End | Literal["added", "seen", "named", "refused", "conflict", "published", "lost"]
"""The kinds of events. `lost` belongs to no holding: changes could not be written."""


class StoredHolding(msgspec.Struct, frozen=True, gc=False):
    """A holding as the file stores it; the fields are its columns."""

    id: int
    """0: not stored yet."""
    network: str
    address: str
    origin: Origin
    mac: str | None = None
    client_id: str | None = None
    hostname: str | None = None
    first_seen: float = 0.0
    """When the client was first seen under its hostname."""
    since: float = 0.0
    expires: int = 0
    """0: never."""
    domain: str | None = None
    """The domain that it belongs to."""
    verdict: str | None = None
    """How the claim to its hostname failed: refused or conflict."""
    reason: str | None = None
    until: float | None = None
    """None: it is open."""
    ended: str | None = None


class Write(NamedTuple):
    """One change of the file: a holding before and after, and its event.

    Without `old` the holding is new. Without `new` it is deleted with all its events. Without
    `kind` there is no event. `name` is the name that was claimed or given.
    """

    old: StoredHolding | None
    new: StoredHolding | None
    kind: Kind | None = None
    why: str | None = None
    name: str | None = None


def after(
    last: StoredHolding | None, what: LeaseChange | NeighbourChange | Claim, wall: float
) -> list[Write]:
    """What to write when `what` happens at an address; `last` is the last holding there."""
    if isinstance(what, NeighbourChange):
        return _after_neighbour(last, what, wall)
    held = last if last is not None and last.until is None else None
    if isinstance(what, Claim):
        return [] if held is None else _after_claim(held, what)
    if what.new is not None:
        return after_lease(held, what.new, what.first_seen, wall)
    if held is None or held.origin == "neighbour":
        return []
    how: End = "withdrawn" if what.since == 0 else "released"
    why = "its lease file is no longer watched" if what.since == 0 else None
    return [_over(held, "expired", wall) if _is_over(held, wall) else _over(held, how, wall, why)]


def after_unseen(
    held: StoredHolding, now: LeaseChange | Neighbour | None, wall: float
) -> list[Write]:
    """What to write about an open holding after changes that were not seen or not written.

    `now` is the lease as if just added, or the neighbour; None: neither is there.
    """
    if isinstance(now, LeaseChange) and now.new is not None:
        return after_lease(held, now.new, now.first_seen, wall, "found")
    if held.origin == "neighbour":
        if isinstance(now, Neighbour):
            return after_sighting(held, now, wall, "found")
        return [Write(held, _ended(held, "quiet", wall))]
    begun = after_sighting(None, now, wall, "found") if isinstance(now, Neighbour) else []
    if _is_over(held, wall):
        return [_over(held, "expired", wall, "while the history was not written"), *begun]
    why = "it was released while the history was not written"
    return [_over(held, "missed", wall, why), *begun]


def after_lease(
    held: StoredHolding | None, lease: Lease, first_seen: float, wall: float, why: str | None = None
) -> list[Write]:
    """What to write when a lease is there; `held` is open, `why` is the reason of `added`."""
    client = client_of(lease)
    of_client = held is not None and held.origin == "lease" and client == _client(held)
    if held is not None and of_client and held.hostname == lease.hostname:
        if (held.expires, held.client_id) == (lease.expires, lease.client_id):
            return []
        new = msgspec.structs.replace(held, expires=lease.expires, client_id=lease.client_id)
        return [Write(held, new)]
    new = leased(lease, first_seen, wall)
    added = Write(None, new, "added", why)
    if held is None:
        return [added]
    if of_client:
        new = msgspec.structs.replace(new, domain=held.domain)
        former = f"was {held.hostname}" if held.hostname else "had no name"
        renamed = Write(None, new, "renamed", former)
        return [Write(held, _ended(held, "renamed", wall)), renamed]
    if is_foreseen(held, lease, wall):
        return [Write(held, None), added]
    seen = held.origin == "neighbour"
    taken = "its address is leased now" if seen else f"{client} has the address now"
    return [_over(held, "replaced", wall, taken), added]


def after_sighting(
    last: StoredHolding | None, neighbour: Neighbour, wall: float, why: str | None = None
) -> list[Write]:
    """What to write when a MAC is seen at an address; `why` is the reason of `seen`."""
    place = neighbour.network, addresses.text(neighbour.address)
    new = StoredHolding(0, *place, "neighbour", neighbour.mac, first_seen=wall, since=wall)
    seen = Write(None, new, "seen", why)
    if last is None or last.until is not None:
        if last is None or not goes_on(last, neighbour, wall):
            return [seen]
        return [Write(last, msgspec.structs.replace(last, until=None, ended=None))]
    if last.origin == "lease":
        return []
    if last.mac != neighbour.mac:
        return [_over(last, "gone", wall, f"{neighbour.mac} is there now"), seen]
    if last.since < neighbour.started:
        ended = _ended(last, "gone", neighbour.started)
        return [Write(last, ended, "gone", "its domain was started since"), seen]
    return []


def is_foreseen(held: StoredHolding, lease: Lease, wall: float) -> bool:
    """Whether an open neighbour was the first sign of a lease that begins now."""
    seen = held.origin == "neighbour" and held.mac == lease.hwaddr
    return seen and held.since > wall - FORESEEN_SECONDS


def goes_on(last: StoredHolding, neighbour: Neighbour, wall: float) -> bool:
    """Whether a neighbour that is seen now continues its quiet holding."""
    if last.ended != "quiet" or last.until is None or last.mac != neighbour.mac:
        return False
    return last.since >= neighbour.started and last.until > wall - QUIET_SECONDS


def leased(lease: Lease, first_seen: float, wall: float) -> StoredHolding:
    """A holding that begins with a lease."""
    who = lease.hwaddr, lease.client_id, lease.hostname
    place = lease.network, addresses.text(lease.address)
    return StoredHolding(0, *place, "lease", *who, first_seen, wall, lease.expires)


def _after_neighbour(
    last: StoredHolding | None, change: NeighbourChange, wall: float
) -> list[Write]:
    """What to write when a neighbour changes; an unknown MAC makes no holding."""
    new = change.new
    if new is not None and new.mac and new.known:
        return after_sighting(last, new, wall)
    if last is None or last.until is not None or last.origin == "lease":
        return []
    if change.quiet:
        return [Write(last, _ended(last, "quiet", wall))]
    if new is None:
        return [_over(last, "gone", wall)]
    why = f"{new.mac} is there now" if new.mac else "nobody answers there"
    return [_over(last, "gone", wall, why)]


def _after_claim(held: StoredHolding, claim: Claim) -> list[Write]:
    """What to write when a claim is published, refused or in conflict, maybe as before.

    - A domain that has ended claims its own name until its lease is released: that is no fault.
    - A conflict is reported once, with any rival: a crowd of one name would fill the history.
    - A neighbour has no hostname of its own; it gets that of its MAC's lease.
    """
    kind: Kind = "refused" if claim.verdict == "refused" else "conflict"
    changed: dict[str, str | None] = {"verdict": claim.verdict, "reason": claim.reason}
    if claim.trust == "owner":
        kind = "named" if claim.verdict == "published" else kind
        changed = {"domain": claim.name}
    elif claim.verdict == "published":
        kind, changed = "published", {"verdict": None, "reason": None}
        if held.origin == "neighbour":
            kind, changed = "named", changed | {"hostname": claim.name}
    elif held.domain == claim.name or held.verdict == claim.verdict == "conflict":
        return []
    new = msgspec.structs.replace(held, **changed)
    return [Write(held, new, kind, claim.reason, claim.name)] if new != held else []


def _client(held: StoredHolding) -> str:
    """The client, as in `client_of`."""
    return held.mac or held.client_id or held.address


def _is_over(held: StoredHolding, wall: float) -> bool:
    return 0 < held.expires <= wall


def _over(held: StoredHolding, kind: End, wall: float, why: str | None = None) -> Write:
    return Write(held, _ended(held, kind, wall), kind, why)


def _ended(held: StoredHolding, how: End, wall: float) -> StoredHolding:
    """It ends at `wall` or with its lease, and never before it began."""
    until = min(held.expires, wall) if held.expires > 0 else wall
    return msgspec.structs.replace(held, until=max(held.since, until), ended=how)
