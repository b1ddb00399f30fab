"""What is answered for names of the site's other hosts, from the table of peers. Pure.

They are answered exactly, as bare names are: what that table does not have may exist elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.dns import reverse_names, wire
from leasewatch.dns.answer import ANY, ANY_DATA, NOERROR, SIZES, Answer, rr, soa, text, validity
from nss_pyvirt import snapshot

_UNKNOWN = {"unknown", "not yet"}


class PeerTable(NamedTuple):
    """What the published table has for a name and for an address, at a Unix time."""

    name: Callable[[str, float], snapshot.Answer]
    address: Callable[[Address, float], snapshot.Answer]


def answer(table: PeerTable, name: bytes, rdtype: int, now: float) -> Answer | None:
    """The answer to a folded absolute name; None: the table does not have it."""
    block = reverse_names.block(name)
    if block is not None:
        return _reverse(table.address(block.first, now), rdtype, now) if block.is_whole else None
    found = table.name(text(name), now)
    if found.status in _UNKNOWN:
        return None
    usable = [one for one in found.addresses if not addresses.is_link_local(one.packed)]
    wanted = [one for one in usable if len(one.packed) == SIZES.get(rdtype)]
    ttl, _ = validity((one.expires for one in wanted), now)
    return _with([rr(rdtype, one.packed, ttl) for one in wanted], rdtype)


def _reverse(found: snapshot.Answer, rdtype: int, now: float) -> Answer | None:
    if found.status != "found":
        return None
    ttl, _ = validity((one.expires for one in found.addresses), now)
    names = found.names[:1] if rdtype == wire.PTR else ()
    return _with([rr(wire.PTR, wire.absolute(one), ttl) for one in names], rdtype)


def _with(records: list[bytes], rdtype: int) -> Answer:
    """These records of a name that exists; without any, no data."""
    if rdtype == ANY:
        records = [ANY_DATA]
    return Answer(NOERROR, tuple(records), () if records else (soa(0),))
