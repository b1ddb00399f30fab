"""The claimants of one name: which one wins, and which answers on each network.

A claimant is a domain, or a guest with all addresses of its network card. `names.policy` decides
each claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from leasewatch import addresses
from leasewatch.model import Domain
from leasewatch.names import labels
from leasewatch.names.ledger import Held

claimed = attrgetter("claimed")


class Claimant(NamedTuple):
    """One candidate for a name, and what it holds."""

    held: list[Held]
    domain: Domain | None = None
    """None: a guest."""

    @property
    def is_pending(self) -> bool:
        """Whether it is a domain that was started a moment ago."""
        return self.domain is not None and self.domain.pending_until > 0

    def networks(self) -> list[str]:
        """The networks of a domain's cards; for a guest those that it has addresses on."""
        if self.domain is not None:
            return list(dict.fromkeys(nic.network for nic in self.domain.nics))
        return list(dict.fromkeys(held.network for held in self.held))

    def is_called(self, alias: str) -> bool:
        """Whether the owner gave it the alias (folded)."""
        return self.domain is not None and alias in map(labels.fold, self.domain.aliases)


def by_network(claimants: Sequence[Claimant]) -> dict[str, Claimant]:
    """The claimant that answers to NAME.NETWORK.SUFFIX, by network.

    `claimants` are sorted, the best one last. A claimant without an address on a network takes
    that name from no other, unless it is pending.
    """
    found: dict[str, Claimant] = {}
    for claimant in claimants:
        for network in claimant.networks():
            part = [held for held in claimant.held if held.network == network]
            if part or claimant.is_pending or network not in found:
                found[network] = Claimant(part, claimant.domain)
    return found


def owners_rank(claimant: Claimant) -> tuple[bool, float]:
    """A sort key for domains of one name: the highest one answers to it.

    A domain with an address, or just started, beats one that may be stopped; then the newest wins.
    If the start is unknown, the first appearance of its first lease counts.
    """
    started = claimant.domain.started if claimant.domain is not None else 0.0
    if claimant.held and claimant.domain is not None and not claimant.domain.runs:
        leases = [held.first_seen for held in claimant.held if held.lease is not None]
        started = min(leases or [held.first_seen for held in claimant.held])
    return bool(claimant.held) or claimant.is_pending, started


def guests(held: Sequence[Held]) -> list[Claimant]:
    """The claims to one name, sorted into claimants; the winner is the last.

    The cards of one domain are one claimant. If nothing links the DUID of the newest DHCPv6 claim
    on a network to a MAC, it joins the newest IPv4 claim, even across lease files. A renamed lease
    does not join: a clone with the same DUID may have renamed it.
    """
    by_client: dict[tuple[str, str], list[Held]] = {}
    newest4: dict[str, tuple[str, str]] = {}
    newest6: dict[str, tuple[str, str]] = {}
    for claim in sorted(held, key=claimed):
        who = _client(claim)
        by_client.setdefault(who, []).append(claim)
        if len(claim.address) == 4:
            newest4[claim.network] = who
        elif not claim.mac and not claim.is_renamed:
            newest6[claim.network] = who
    for network, who in newest6.items():
        joined = newest4.get(network, who)
        if joined != who:
            by_client[joined] += by_client.pop(who)
    return [Claimant(of_client) for of_client in sorted(by_client.values(), key=_guests_rank)]


def is_recorded(held: Sequence[Held]) -> bool:
    """Whether a DHCP server recorded the MAC of one of them."""
    return any(one.is_recorded for one in held)


def _guests_rank(held: Sequence[Held]) -> tuple[bool, float]:
    """A recorded MAC wins, then the newest first appearance.

    Without a recorded MAC the hostname may be another machine's: clones share DUID and IAID.
    """
    return is_recorded(held), max(map(claimed, held))


def _client(held: Held) -> tuple[str, str]:
    """Who holds the address. A MAC identifies a client on its own network only."""
    if held.owner is not None:
        return "", held.owner
    client_id = held.lease.client_id if held.lease is not None else None
    return held.network, held.mac or client_id or addresses.text(held.address)


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
