"""What the service answers about names, from the name policy. It opens no socket and no file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.api.interface import (
    Entry,
    NoSuchName,
    ResolveReply,
    SourceEntry,
    entry,
    resolve_reply,
)
from leasewatch.model import Claim, HostRecord, Lease
from leasewatch.names import labels
from leasewatch.names.policy import NamePolicy


class Answers:
    """Decides again for each answer; `sources` and `expired` ask the service."""

    def __init__(
        self,
        policy: NamePolicy,
        expired: Callable[[], Iterable[Lease]],
        sources: Callable[[], list[SourceEntry]],
    ) -> None:
        self.sources = sources
        self._policy = policy
        self._expired = expired

    def entries(self) -> Iterator[Entry]:
        """Every candidate; leases may change between two of them."""
        unnamed, expired = list(self._policy.unnamed()), list(self._expired())
        for name in list(self._policy.names()):
            yield from map(entry, self._policy.decide(name, records=False).claims)
        yield from map(entry, unnamed)
        yield from (entry(_expired(lease)) for lease in expired)

    def resolve(self, query: str, wall: float) -> ResolveReply | NoSuchName:
        """What a name or an address answers at `wall` (Unix seconds); its own candidates first."""
        address = addresses.queried(query)
        name = labels.fold(query)
        keys = self._keys(name) if address is None else self._policy.names_at(address)
        decisions = {key: self._policy.decide(key) for key in keys}
        claims = [claim for decision in decisions.values() for claim in decision.claims]
        expired = map(_expired, self._expired())
        if address is None:
            claims += (claim for claim in expired if claim.name in decisions)
        else:
            candidates = (*claims, *self._policy.unnamed(), *expired)
            claims = [claim for claim in candidates if claim.address == address]
        records = (record for decision in decisions.values() for record in decision.records)
        answer = next((record for record in records if _answers(record, address or name)), None)
        if answer is None or not (answer.addresses or answer.pending_until > wall):
            return NoSuchName(query=query, candidates=list(map(entry, claims)))
        rank = {held.address: number for number, held in enumerate(answer.addresses)}
        claims.sort(key=lambda claim: rank.get(claim.address or b"", len(rank)))
        return resolve_reply(answer, answer.addresses, list(map(entry, claims)))

    def _keys(self, name: str) -> Iterator[str]:
        """The bare names whose records may hold `name`."""
        yield from dict.fromkeys((self._policy.canonical(name), name))
        for network, suffix in self._policy.rules.suffixes.items():
            tail = labels.fold(f".{network}.{suffix}")
            if name.endswith(tail) and len(name) > len(tail):
                yield name.removesuffix(tail)


def _answers(record: HostRecord, asked: str | Address) -> bool:
    return asked in record.names or any(held.address == asked for held in record.addresses)


def _expired(lease: Lease) -> Claim:
    return Claim(
        name=labels.fold(lease.hostname) if lease.hostname else None,
        trust="guest" if lease.hostname else None,
        verdict="expired",
        reason="the lease has expired, but the lease file still lists it",
        network=lease.network,
        address=lease.address,
        lease=lease,
        mac=lease.hwaddr,
    )
