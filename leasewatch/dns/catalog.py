"""The catalog zone of a site, version 2 (RFC 9432): which zones its name servers have. Pure.

- `hub`: members alone. Secondaries fetch each of them from where the catalog came from.
- `direct`: each member names its own primaries, which BIND understands: `p0.primaries.ext.ID.zones`
  with an address, and a TXT with the name of the TSIG key.

A member's id tells secondaries whether it is the same zone as before. It stays while the zone is a
member. A zone that went and came back has a new id, so secondaries drop what they had.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from leasewatch.addresses import Address
from leasewatch.dns import wire
from leasewatch.dns.wire import Data, Name
from leasewatch.dns.zone import Head

HEAD: Final = Head(("invalid",), ttl=0)
"""RFC 9432, 4.1."""

Primaries = Mapping[str, Sequence[Address]]
"""By the apex of each member: its primaries. None: fetch it from where the catalog came from."""


class Member(msgspec.Struct, frozen=True):
    """A zone that is in the catalog, or was."""

    id: str
    is_member: bool = True


def update(known: Mapping[str, Member], apexes: Collection[str]) -> dict[str, Member]:
    """The members and former members by apex, once `apexes` are the members."""
    gone = known.keys() - apexes
    result = {apex: Member(known[apex].id, is_member=False) for apex in gone}
    for apex in apexes:
        former = known.get(apex)
        if former is None or not former.is_member:
            seed = f"{apex} {former.id if former is not None else ''}"
            result[apex] = Member(hashlib.sha256(seed.encode()).hexdigest()[:16])
        else:
            result[apex] = former
    return result


def content(
    members: Mapping[str, Member], primaries: Primaries, key: str
) -> dict[Name, list[Data]]:
    """All records of the catalog besides SOA and NS; `key`: the name of the TSIG key."""
    wanted = {wire.relative("version"): [wire.txt("2")]}
    for apex, addresses in primaries.items():
        at = wire.relative(f"{members[apex].id}.zones")
        wanted[at] = [(wire.PTR, wire.absolute(apex))]
        for number, address in enumerate(addresses):
            label = wire.relative(f"p{number}.primaries.ext")
            wanted[label + at] = [wire.address(address), wire.txt(key)]
    return wanted
