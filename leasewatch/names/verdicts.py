"""Claims without an address, and the reasons of others, in words. `names.policy` decides them."""

from __future__ import annotations

from leasewatch.model import Claim, Domain, Verdict
from leasewatch.names.claimants import Claimant, Held, claimed, is_recorded


def pending(name: str, domain: Domain, network: str) -> Claim:
    """A running domain has no lease on this network yet."""
    return Claim(
        name=name,
        trust="owner",
        verdict="pending",
        reason=f"domain {domain.name} is running and has no lease yet",
        network=network,
        domain=name,
    )


def lost(alias: str, verdict: Verdict, why: str, domain: str, network: str) -> Claim:
    """A domain did not get one of its aliases."""
    return Claim(
        name=alias,
        trust="owner",
        verdict=verdict,
        reason=why,
        network=network,
        domain=domain,
    )


def why_a_guest_lost(loser: Held, winner: Claimant) -> str:
    """Why the winner has the name that the loser claims too."""
    rival = max(winner.held, key=claimed)
    who = rival.mac or (rival.lease.client_id if rival.lease is not None else None)
    if is_recorded(winner.held) and not loser.is_recorded:
        return f"{who} on {rival.network} has a lease of this name with a recorded MAC"
    return f"{who} on {rival.network} claimed the name later"


def why_a_namesake_lost(name: str, winner: Claimant) -> str:
    """Why a domain does not answer to its name: another domain of that name does."""
    if winner.held:
        who = f"{winner.held[0].mac} on {winner.held[0].network}"
    else:
        who = f"on {' and '.join(winner.networks())}"
    return f"another domain {name}, {who}, came later"
