"""Claims and host records as the name policy tells them: how each is put, never what is decided."""

from __future__ import annotations

from leasewatch.model import Claim, Domain, HostAddress, HostRecord, Trust, Verdict
from leasewatch.names import labels
from leasewatch.names.claimants import Held, Party, Side, claimed, is_recorded
from leasewatch.names.waiting import Awaited


def record(
    names: tuple[str, ...], found: tuple[HostAddress, ...], trust: Trust, wait: Awaited
) -> HostRecord:
    """A record of these names, the canonical one first."""
    return HostRecord(
        names=names,
        addresses=found,
        trust=trust,
        pending_until=wait.until,
        awaited=wait.families,
    )


def of_held(
    held: Held, name: str | None, trust: Trust | None, verdict: Verdict, reason: str
) -> Claim:
    """What became of the claim that is held to `name`."""
    return Claim(
        name=name,
        trust=trust,
        verdict=verdict,
        reason=reason,
        network=held.lease.network,
        lease=held.lease,
        domain=held.owner,
        mac=held.mac or None,
        ifindex=held.ifindex,
        origin=held.origin,
    )


def of_guest(name: str, held: Held) -> Claim:
    """A guest's claim that wins."""
    reason = "the guest's DHCP hostname"
    if held.lease.hwaddr is None and labels.fold(held.lease.hostname or "") != name:
        reason = "the hostname of its network card's lease"
    return of_held(held, name, "guest", "published", reason)


def waiting(name: str, domain: Domain, network: str) -> Claim:
    """A running domain has no lease on this network yet."""
    return Claim(
        name=name,
        trust="owner",
        verdict="pending",
        reason=f"domain {domain.name} runs and has no lease yet",
        network=network,
        lease=None,
        domain=name,
    )


def lost(alias: str, verdict: Verdict, why: str, domain: str, network: str) -> Claim:
    """An alias of a domain does not answer for it."""
    return Claim(
        name=alias,
        trust="owner",
        verdict=verdict,
        reason=why,
        network=network,
        lease=None,
        domain=domain,
    )


def why_a_guest_lost(loser: Held, newest: Party) -> str:
    """Why the newest has the name that the loser claims, too."""
    rival = max(newest, key=claimed)
    who = rival.mac or rival.lease.client_id
    if is_recorded(newest) and loser.lease.hwaddr is None:
        return f"{who} on {rival.lease.network} has a lease of this name with a recorded MAC"
    return f"{who} on {rival.lease.network} claimed the name later"


def why_a_namesake_lost(name: str, winner: Side) -> str:
    """Why a domain does not answer to its name: another one of that name does."""
    if winner.held:
        who = f"{winner.held[0].mac} on {winner.held[0].lease.network}"
    else:
        who = f"on {' and '.join(winner.networks())}"
    return f"another domain {name}, {who}, came later"
