"""What is held of an address, and the claimants of one name: which wins, with which addresses.

A claimant is a domain, or a guest with all addresses of its network card. `names.policy`
decides what becomes of each claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from leasewatch import addresses
from leasewatch.addresses import Address, has_scope
from leasewatch.model import Claim, Domain, HostAddress, Lease, Neighbour, Trust, Verdict
from leasewatch.names import labels

MAX_ADDRESSES: Final = 32
"""Of one host record (csrc/snapshot_format.h)."""
_AT_ONCE: Final = 0.001
"""Seconds between the two times of a lease that came with its hostname."""


class Held(msgspec.Struct, eq=False, gc=False):
    """An address on a network. At least one of `lease` and `neighbour` is there."""

    network: str
    address: Address
    lease: Lease | None
    """None: only the neighbour table has the address."""
    neighbour: Neighbour | None
    """Whom the bridge sees at the address."""
    since: float
    first_seen: float
    renewed: float
    """These three as in `LeaseChange`; without a lease those of the neighbour."""
    mac: str = ""
    """The MAC that the host saw: the DHCP server, else the bridge. Empty: neither did."""
    owner: str | None = None
    """Folded name of the running domain that has a card with this MAC."""
    guest: str | None = None
    """The claimed hostname, folded: its own or that of its card's lease. It may be improper."""
    claimed: float = 0.0
    """When the client first appeared under the claimed hostname, Unix seconds."""
    off_link: bool = False
    """No network of its bridge contains the address."""

    def names(self) -> set[str]:
        """The names that it claims."""
        return {name for name in (self.owner, self.guest) if name is not None}

    def claim(self, name: str | None, trust: Trust | None, verdict: Verdict, reason: str) -> Claim:
        """Its claim to `name`, decided."""
        return Claim(
            name=name,
            trust=trust,
            verdict=verdict,
            reason=reason,
            network=self.network,
            address=self.address,
            lease=self.lease,
            domain=self.owner,
            mac=self.mac or None,
            ifindex=self.ifindex,
        )

    @property
    def is_recorded(self) -> bool:
        """Whether the DHCP server recorded the MAC. For DHCPv6 it mostly does not."""
        return self.lease is not None and self.lease.hwaddr is not None

    @property
    def hostname(self) -> str | None:
        """The hostname of its own lease."""
        return self.lease.hostname if self.lease is not None else None

    @property
    def ifindex(self) -> int:
        """The interface of an IPv6 link-local address (RFC 4007), else 0."""
        return self.neighbour.ifindex if self.neighbour and has_scope(self.address) else 0

    @property
    def is_seen(self) -> bool:
        """Whether its MAC answers at the address."""
        seen = self.neighbour
        return seen is not None and seen.reachable and seen.mac == self.mac

    @property
    def is_renamed(self) -> bool:
        """Whether its client changed the hostname while it had the address."""
        return self.first_seen - self.since > _AT_ONCE

    @property
    def rival(self) -> str:
        """Another MAC that has answered at the address since it was leased; mostly empty."""
        seen = self.neighbour
        if seen is None or not self.is_recorded or not seen.reachable or seen.seen <= self.since:
            return ""
        return "" if seen.mac == self.mac else seen.mac


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
    if len(claimants) == len(claimants[0].held) == 1 and claimants[0].domain is None:  # common
        return {claimants[0].held[0].network: claimants[0]}
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
    If the start is unknown, the first appearance of its first lease counts: the file that names
    the cards is rewritten for other reasons too.
    """
    started = claimant.domain.started if claimant.domain is not None else 0.0
    if claimant.held and claimant.domain is not None and not claimant.domain.runs:
        leases = [held.first_seen for held in claimant.held if held.lease is not None]
        started = min(leases or [held.first_seen for held in claimant.held])
    return bool(claimant.held) or claimant.is_pending, started


def guests(held: Sequence[Held]) -> list[Claimant]:
    """The claims to one name, sorted into claimants; the winner is the last.

    The cards of one domain are one claimant. On one network the newest DHCPv6 claim joins the
    newest IPv4 claim if nothing links its DUID to a MAC, even across lease files. A renamed lease
    does not join: a clone with the same DUID may have renamed it.
    """
    if len(held) == 1:  # common
        return [Claimant([held[0]])]
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


def claimed(held: Held) -> float:
    """When the client first appeared under the claimed hostname, Unix seconds."""
    return held.claimed


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


def host_addresses(held: Sequence[Held]) -> tuple[HostAddress, ...]:
    """Each address once, the best first, `MAX_ADDRESSES` at most.

    The order: on-link, answering, global, leased, newest. An IPv6 link-local address without its
    interface is omitted, because it reaches no machine.
    """
    found: dict[tuple[Address, int], HostAddress] = {}
    for one in sorted(held, key=_order) if len(held) > 1 else held:
        ifindex = one.ifindex
        if not ifindex and has_scope(one.address):
            continue
        found.setdefault(
            (one.address, ifindex),
            HostAddress(
                address=one.address,
                expires=one.lease.expires if one.lease is not None else 0,
                network=one.network,
                ifindex=ifindex,
                origin="neighbour" if one.lease is None else "lease",
            ),
        )
    return tuple(found.values())[:MAX_ADDRESSES]


def _order(held: Held) -> tuple[bool, bool, bool, bool, float]:
    failed = held.neighbour is not None and not held.neighbour.reachable
    local = addresses.is_link_local(held.address)
    return held.off_link, failed, local, held.lease is None, -held.since
