"""What became of the claims to one name, as replies of `Monitor`. No clock."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

import msgspec

from leasewatch.addresses import Address
from leasewatch.api.interface import Kind, MonitorReply, entry
from leasewatch.leases.address_book import client_of
from leasewatch.model import Claim, LeaseChange, Verdict

EXPIRED: Final = "the lease has expired"

Change = tuple[Kind, Claim]


def reply(number: int, kind: Kind, claim: Claim, wall: float) -> MonitorReply:
    """What `Monitor` says of a claim at `wall` (Unix seconds)."""
    there = claim.address is not None
    return MonitorReply(
        number=number,
        kind=kind,
        time=wall,
        entry=entry(claim),
        first_seen=claim.first_seen if there else None,
        renewed=claim.renewed if there else None,
    )


def changes(
    former: Collection[Claim], now: Collection[Claim], ends: Mapping[Address, str]
) -> Iterator[Change]:
    """What became of the claims to one name, the new ones first.

    `ends`: by address, how a lease has just ended (`end`).
    """
    before = {_identity(claim): claim for claim in former}
    for claim in now:
        old = before.pop(_identity(claim), None)
        if old is None:
            yield "added", claim
        elif old.lease != claim.lease and _lasting(old) == _lasting(claim):
            yield "renewed", claim
        elif _lasting(old) != _lasting(claim):
            yield "changed", claim
    got_address = any(claim.address is not None for claim in now)
    for claim in before.values():
        yield "removed", _gone(claim, ends, got_address=got_address)


def end(change: LeaseChange, wall: float) -> str:
    """How the old lease ended, as a sentence; empty: it did not."""
    old, new = change.old, change.new
    if old is None:
        return ""
    if new is not None:
        if client_of(new) != client_of(old):
            return "another client has the address"
        return "the guest changed its hostname" if new.hostname != old.hostname else ""
    if not change.since:
        return "the lease file is no longer watched"
    return EXPIRED if 0 < old.expires <= wall else "the lease was given back"


def _identity(claim: Claim) -> tuple[object, ...]:
    """What `MonitorReply` says makes two entries the same candidate."""
    source = claim.lease.source if claim.lease else None
    domain = claim.domain if claim.address is None else None
    return claim.name, claim.network, claim.address, source, domain


def _lasting(claim: Claim) -> Claim:
    """The claim without what a renewal changes."""
    lease = claim.lease and msgspec.structs.replace(claim.lease, expires=0)
    return msgspec.structs.replace(claim, lease=lease, first_seen=0.0, renewed=0.0)


def _gone(claim: Claim, ends: Mapping[Address, str], *, got_address: bool) -> Claim:
    """A claim that is no more, with the reason; `pending` if its domain has an address instead."""
    verdict: Verdict = "ended"
    if claim.address is None and got_address:
        verdict, why = "pending", "it has an address now"
    elif claim.address is None:
        why = f"domain {claim.domain} has ended"
    elif claim.lease is None:
        why = "no machine answers at the address"
    else:
        why = ends.get(claim.address) or "the address has another name now"
        verdict = "expired" if why == EXPIRED else "ended"
    return msgspec.structs.replace(claim, verdict=verdict, reason=why)
