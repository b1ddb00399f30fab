"""What is held of one address: its lease, whom the bridge sees there, and the names it claims."""

from __future__ import annotations

from typing import Final

import msgspec

from leasewatch.addresses import Address, has_scope
from leasewatch.model import Lease, Neighbour

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

    def see(self, neighbour: Neighbour | None) -> None:
        """Set whom the bridge sees at the address."""
        self.neighbour = neighbour
        recorded = self.lease.hwaddr if self.lease is not None else None
        self.mac = recorded or (neighbour.mac if neighbour is not None else "")

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
