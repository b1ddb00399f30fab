"""Which names the exporter keeps in the flat zone, and at which addresses. Pure.

An owner's name is `NAME` below the zone. A guest's is only `NAME.NETWORK`, so a hostname that a
guest made up takes no name of the zone's own level. No PTR record is exported: many hosts have the
same private subnets, so a reverse zone is no place to share (`[dns] reverse` serves one).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from leasewatch import addresses
from leasewatch.dns.table import NameTable
from leasewatch.model import HostRecord, Trust
from leasewatch.names import labels

OWNER_LABEL: Final = "_pyvirt"
"""`_pyvirt.NAME` has the TXT record that says who made the records of NAME."""
MAX_NAMES: Final = 50_000
"""Of one host in the zone."""
_MOST_BYTES: Final = 253
"""Of a whole name without the final dot (RFC 1035)."""

Addresses = tuple[str, ...]
"""Canonical texts, sorted, so that a new order is no change."""


class _Claim(NamedTuple):
    trust: Trust
    addresses: Addresses


class Wanted:
    """What each name in the zone should have, followed by name. Names are relative to the zone."""

    def __init__(self, zone: str) -> None:
        self._longest = _MOST_BYTES - len(f"{OWNER_LABEL}..{zone}")
        self._claims: dict[str, dict[str, _Claim]] = {}
        """By name in the zone, then by the decided name that has it; mostly there is one."""
        self._of: dict[str, list[str]] = {}
        """By decided name: its names in the zone."""
        self.omitted = 0
        """Names that were beyond `MAX_NAMES`."""

    def __len__(self) -> int:
        return len(self._claims)

    def __iter__(self) -> Iterator[str]:
        return iter(self._claims)

    def get(self, name: str) -> Addresses:
        """The addresses of a name; none: it should not be there. An owner comes before a guest."""
        claims = self._claims.get(name)
        if not claims:
            return ()
        return min(claims.items(), key=lambda one: (one[1].trust != "owner", one[0]))[1].addresses

    def change(self, table: NameTable, decided: Iterable[str]) -> set[str]:
        """Take over what these decided names answer now; returns the names in the zone touched."""
        touched = set()
        tails = {f".{table.suffix_of(network)}": network for network in table.networks}
        for name in decided:
            for former in self._of.pop(name, ()):
                touched.add(former)
                del self._claims[former][name]
                if not self._claims[former]:
                    del self._claims[former]
            for record in table.records.get(name, ()):
                found = _addresses(record)
                for one in self._names(tails, record) if found else ():
                    if one not in self._claims and len(self._claims) >= MAX_NAMES:
                        self.omitted += 1
                        continue
                    self._claims.setdefault(one, {})[name] = _Claim(record.trust, found)
                    self._of.setdefault(name, []).append(one)
                    touched.add(one)
        return touched

    def _names(self, tails: Mapping[str, str], record: HostRecord) -> Iterator[str]:
        """The names of a record in the zone, each once. `tails`: network by `.NETWORK.SUFFIX`."""
        found = set()
        for name in record.names:
            heads = (head for head in labels.heads(name) if name[len(head) :] in tails)
            head = next(heads, None)
            if record.trust == "owner" and head is None:
                found.add(name)
            elif record.trust == "guest" and head is not None:
                found.add(f"{head}.{tails[name[len(head) :]]}")
        for name in found:
            if len(name) <= self._longest and not name.startswith(OWNER_LABEL):
                yield name


def _addresses(record: HostRecord) -> Addresses:
    """Those that mean the same on every host."""
    found = {one.address for one in record.addresses if not addresses.is_link_local(one.address)}
    return tuple(sorted(addresses.text(one) for one in found))
