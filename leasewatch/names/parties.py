"""Claims to one name sorted by who makes them, and the addresses that they add up to.

It decides nothing: `names.policy` does.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from leasewatch.model import HostAddress, Lease, Neighbour, Origin

MAX_ADDRESSES = 32
"""Of one host record (csrc/snapshot_format.h)."""


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
    def rival(self) -> str:
        """The MAC that answers at the address since it was leased to another one; mostly empty."""
        seen, hwaddr = self.neighbour, self.lease.hwaddr
        if seen is None or hwaddr is None or not seen.reachable or seen.seen <= self.since:
            return ""
        return "" if seen.mac == hwaddr else seen.mac


Party = list[Held]


def by_network(party: Party) -> dict[str, Party]:
    """The members of a party, by the network that each lease is from."""
    found: dict[str, Party] = {}
    for held in party:
        found.setdefault(held.lease.network, []).append(held)
    return found


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
        elif not claim.mac:
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

    Those where nobody answers come last, link-local ones after global ones, what the neighbour
    table alone knows after leases; then the newest first. An IPv6 link-local address without its
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


def _order(held: Held) -> tuple[bool, bool, bool, float]:
    failed = held.neighbour is not None and not held.neighbour.reachable
    return failed, is_link_local(held.lease), held.origin == "neighbour", -held.since


def is_link_local(lease: Lease) -> bool:
    """169.254.0.0/16 or fe80::/10; the text is canonical."""
    return lease.address.startswith(("169.254.", "fe8", "fe9", "fea", "feb")) and (
        lease.family == 4 or ":" in lease.address[:5]
    )
