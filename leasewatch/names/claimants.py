"""Claims to one name sorted by who makes them, and the addresses that they add up to.

It decides nothing: `names.policy` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from leasewatch.model import Domain, HostAddress, Lease, Neighbour, Origin
from leasewatch.names import labels

MAX_ADDRESSES = 32
"""Of one host record (csrc/snapshot_format.h)."""

_AT_ONCE = 0.001
"""Seconds between the two times of a lease that came with its hostname."""


class Held(msgspec.Struct, eq=False, gc=False):
    """An address and the names that it claims: of a lease, or of the neighbour table alone."""

    lease: Lease
    """Of the neighbour table alone: one without source, hwaddr and end."""
    since: float
    first_seen: float
    renewed: float
    neighbour: Neighbour | None = None
    """Whom the bridge sees at the address."""
    owner: str | None = None
    """The running domain whose network card has the MAC."""
    guest: str | None = None
    """The hostname that it claims, folded, proper or not: its own or that of its card's lease."""
    claimed: float = 0.0
    """The `first_seen` of the lease whose hostname `guest` is."""
    off_link: bool = False
    """The address is in none of the networks of its bridge."""

    @property
    def mac(self) -> str:
        """The hardware address that the host saw: the server, else the bridge; empty: neither."""
        if self.lease.hwaddr is not None:
            return self.lease.hwaddr
        return self.neighbour.mac if self.neighbour is not None else ""

    @property
    def origin(self) -> Origin:
        """How the address is known."""
        return "lease" if self.lease.source else "neighbour"

    @property
    def ifindex(self) -> int:
        """The interface of a link-local IPv6 address (RFC 4007), else 0."""
        if self.neighbour is None or self.lease.family == 4 or not is_link_local(self.lease):
            return 0
        return self.neighbour.ifindex

    @property
    def is_seen(self) -> bool:
        """Whether its MAC answers at the address."""
        seen = self.neighbour
        return seen is not None and seen.reachable and seen.mac == self.mac

    @property
    def is_renamed(self) -> bool:
        """Whether its client got another hostname while it had the address."""
        return self.first_seen - self.since > _AT_ONCE

    @property
    def rival(self) -> str:
        """The MAC that answers at the address since it was leased to another one; mostly empty."""
        seen, hwaddr = self.neighbour, self.lease.hwaddr
        if seen is None or hwaddr is None or not seen.reachable or seen.seen <= self.since:
            return ""
        return "" if seen.mac == hwaddr else seen.mac


Party = list[Held]


class Side(NamedTuple):
    """One candidate for a name, and what it holds."""

    held: Party
    domain: Domain | None = None
    """None: a guest."""

    @property
    def is_awaited(self) -> bool:
        """Whether it is a domain that was started a moment ago."""
        return self.domain is not None and self.domain.pending_until > 0

    def networks(self) -> list[str]:
        """Those of its network cards; of a guest those that it has addresses on."""
        if self.domain is not None:
            return list(dict.fromkeys(nic.network for nic in self.domain.nics))
        return list(dict.fromkeys(held.lease.network for held in self.held))

    def is_called(self, alias: str) -> bool:
        """Whether the owner gave it the alias (folded)."""
        return self.domain is not None and alias in map(labels.fold, self.domain.aliases)


def by_network(sides: Sequence[Side]) -> dict[str, Side]:
    """Of each network the side that answers below it; `sides` are sorted, the best one last.

    One that neither holds an address there nor is awaited takes no other's place.
    """
    if len(sides) == len(sides[0].held) == 1 and sides[0].domain is None:  # as nearly always
        return {sides[0].held[0].lease.network: sides[0]}
    found: dict[str, Side] = {}
    for side in sides:
        for network in side.networks():
            part = [held for held in side.held if held.lease.network == network]
            if part or side.is_awaited or network not in found:
                found[network] = Side(part, side.domain)
    return found


def owners_rank(side: Side) -> tuple[bool, float]:
    """Which of the domains of one name answers to it: the one with the highest rank.

    One that has an address, or was just started, goes before one that may as well be stopped; then
    the newest. Where nobody tells when a domain started, the first appearance of its first lease
    counts: a file that names its cards is written anew for other reasons, too.
    """
    started = side.domain.started if side.domain is not None else 0.0
    if side.held and side.domain is not None and not side.domain.runs:
        leases = [held.first_seen for held in side.held if held.lease.source]
        started = min(leases or [held.first_seen for held in side.held])
    return bool(side.held) or side.is_awaited, started


def claimed(held: Held) -> float:
    """When the client first appeared under the hostname that is claimed, Unix seconds."""
    return held.claimed


def is_recorded(party: Party) -> bool:
    """Whether a server recorded the MAC of one of them; of DHCPv6 it mostly did not."""
    return any(held.lease.hwaddr is not None for held in party)


def _rank(party: Party) -> tuple[bool, float]:
    """A recorded MAC goes first, then the newest of the members' appearances.

    Without one, the hostname may be another machine's: clones share DUID and IAID.
    """
    return is_recorded(party), max(map(claimed, party))


def parties(held: Sequence[Held]) -> list[Party]:
    """The claims to one name, by who makes them, the one that wins last.

    The network cards of one domain are one party. On one network the newest DHCPv6 claim joins the
    newest IPv4 claim where nothing links its DUID to a MAC, also if they are in two lease files.
    One that was renamed does not: a clone of the same DUID may have done that.
    """
    if len(held) == 1:  # as nearly always
        return [list(held)]
    by_client: dict[tuple[str, str], Party] = {}
    newest4: dict[str, tuple[str, str]] = {}
    newest6: dict[str, tuple[str, str]] = {}
    for claim in sorted(held, key=claimed):
        lease = claim.lease
        who = _client(claim)
        by_client.setdefault(who, []).append(claim)
        if lease.family == 4:
            newest4[lease.network] = who
        elif not claim.mac and not claim.is_renamed:
            newest6[lease.network] = who
    for network, who in newest6.items():
        joined = newest4.get(network, who)
        if joined != who:
            by_client[joined] += by_client.pop(who)
    return sorted(by_client.values(), key=_rank)


def _client(held: Held) -> tuple[str, str]:
    """Who holds the address; a MAC is somebody on its own network alone."""
    if held.owner is not None:
        return "", held.owner
    if held.mac:
        return held.lease.network, held.mac
    return held.lease.network, held.lease.client_id or held.lease.address


def addresses(party: Party) -> tuple[HostAddress, ...]:
    """Each address once, the best first.

    Those in none of their bridge's networks come last, before them those where nobody answers;
    link-local ones after global ones, what the neighbour table alone knows after leases; then the
    newest first. An IPv6 link-local address without its
    interface is left out: it reaches nobody.
    """
    found: dict[tuple[str, int], HostAddress] = {}
    for held in sorted(party, key=_order) if len(party) > 1 else party:
        lease, ifindex = held.lease, held.ifindex
        if lease.family == 6 and is_link_local(lease) and not ifindex:
            continue
        found.setdefault(
            (lease.address, ifindex),
            HostAddress(
                address=lease.address,
                family=lease.family,
                expires=lease.expires,
                network=lease.network,
                ifindex=ifindex,
                origin=held.origin,
            ),
        )
    return tuple(found.values())[:MAX_ADDRESSES]


def _order(held: Held) -> tuple[bool, bool, bool, bool, float]:
    failed = held.neighbour is not None and not held.neighbour.reachable
    only_seen = held.origin == "neighbour"
    return held.off_link, failed, is_link_local(held.lease), only_seen, -held.since


def is_link_local(lease: Lease) -> bool:
    """169.254.0.0/16 or fe80::/10; the text is canonical."""
    return lease.address.startswith(("169.254.", "fe8", "fe9", "fea", "feb")) and (
        lease.family == 4 or ":" in lease.address[:5]
    )
