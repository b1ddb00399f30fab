"""What became of each lease, judged by the published table alone: for answers without the service.

Programs get what the table says, so the name policy is not asked. No file and no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.api.interface import Entry, entry
from leasewatch.model import Claim, HostAddress, HostRecord, Lease, Verdict


def entries(hosts: Iterable[HostRecord], leases: Iterable[Lease], now: float) -> Iterator[Entry]:
    """One entry for each lease, each other published address and each host that awaits one.

    `now` is in Unix seconds.
    """
    named: dict[Address, tuple[HostRecord, HostAddress]] = {}
    for host in hosts:
        for address in host.addresses:
            named.setdefault(address.address, (host, address))
        if not host.addresses and host.pending_until > now:
            yield entry(_awaiting(host))
    for lease in leases:
        yield entry(_of_lease(lease, named.pop(lease.address, None), now))
    for host, address in named.values():
        if address.expires > now:
            yield _of_table(host, address)


def _of_lease(lease: Lease, found: tuple[HostRecord, HostAddress] | None, now: float) -> Claim:
    verdict: Verdict = "published"
    reason = "it is in the published table"
    if 0 < lease.expires <= now:
        verdict, reason = "expired", "its lease has expired"
    elif not found and lease.hostname is None:
        verdict, reason = "unnamed", "the guest gave no hostname"
    elif not found:
        verdict, reason = "refused", "it is not in the published table"
    return Claim(
        name=found[0].names[0] if found else lease.hostname,
        trust=found[0].trust if found else "guest" if lease.hostname else None,
        verdict=verdict,
        reason=reason,
        network=lease.network,
        address=lease.address,
        lease=lease,
        mac=lease.hwaddr,
    )


def _of_table(host: HostRecord, address: HostAddress) -> Entry:
    """An address whose lease file could not be read, or no longer lists it."""
    return Entry(
        name=host.names[0],
        trust=host.trust,
        verdict="published",
        reason="it is in the published table",
        network=address.network,
        address=addresses.text(address.address),
        family=addresses.family(address.address),
        ifindex=address.ifindex,
        expires=address.expires or None,
    )


def _awaiting(host: HostRecord) -> Claim:
    return Claim(
        name=host.names[0],
        trust=host.trust,
        verdict="pending",
        reason="the domain is running and has no lease yet",
        network="",
    )
