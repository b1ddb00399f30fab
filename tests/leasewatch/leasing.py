"""Leases and their changes, made up for tests of what follows from them."""

from __future__ import annotations

from leasewatch.addresses import parse
from leasewatch.model import Claim, Lease, LeaseChange, Neighbour, Trust, Verdict

WALL = 3_000_000_000.0
"""Far ahead, so that by no real clock a lease of these is over."""
LATER = 3_000_003_600


def lease(
    number: int,
    hostname: str | None = "web1",
    *,
    expires: int = LATER,
    client: int | None = None,
    network: str = "lab",
) -> Lease:
    """An IPv4 lease of address 10.0.x.y; `client` is whose, that of the number if not given."""
    who = number if client is None else client
    mac = f"52:54:00:{who >> 16:02x}:{who >> 8 & 255:02x}:{who & 255:02x}"
    return Lease(
        source=f"/l/{network}.leases",
        network=network,
        address=bytes([10, number >> 16, number >> 8 & 255, number & 255]),
        expires=expires,
        hwaddr=mac,
        hostname=hostname,
        client_id=f"01:{mac}",
    )


def change(old: Lease | None, new: Lease | None, first_seen: float = WALL) -> LeaseChange:
    """The change from `old` to `new`, as a tracker reports it."""
    return LeaseChange(old, new, WALL, first_seen)


def claim(
    of: Lease | Neighbour | None, verdict: Verdict, trust: Trust = "guest", name: str = "web1"
) -> Claim:
    """What became of a claim to `name`."""
    return Claim(
        name=name,
        trust=trust,
        verdict=verdict,
        reason=f"it is {verdict}",
        network="lab" if of is None else of.network,
        address=None if of is None else of.address,
        lease=of if isinstance(of, Lease) else None,
        domain=name if trust == "owner" else None,
    )


def neighbour(
    client: int, address: str = "fd12::5", *, known: bool = True, started: float = 0.0
) -> Neighbour:
    """The MAC of a client, seen at an IPv6 address; client 0: no machine answers there."""
    mac = f"52:54:00:00:00:{client:02x}" if client else ""
    return Neighbour(
        network="lab", address=parse(address), mac=mac, ifindex=3, since=WALL, seen=WALL,
        known=known, started=started,
    )  # fmt: skip
