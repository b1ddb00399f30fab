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
    answer_address,
    entry,
)
from leasewatch.model import Claim, HostRecord, Lease
from leasewatch.names import labels
from leasewatch.names.policy import NamePolicy


class Answers:
    """Asks the policy anew for each answer; `sources` and `expired` are asked of the service."""

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
            yield from map(entry, self._policy.decide(name).claims)
        yield from map(entry, unnamed)
        yield from (entry(_expired(lease)) for lease in expired)

    def resolve(self, query: str, wall: float) -> ResolveReply | NoSuchName:
        """What a name or an address answers at `wall` (Unix seconds)."""
        address = addresses.queried(query)
        if address is not None:
            return self._resolve_address(query, address, wall)
        name = labels.fold(query)
        candidates: list[Claim] = []
        answer = None
        for key in self._keys(name):
            decision = self._policy.decide(key)
            candidates += decision.claims
            answer = answer or next((r for r in decision.records if name in r.names), None)
        keys = set(self._keys(name))
        candidates += (
            _expired(lease)
            for lease in self._expired()
            if lease.hostname and labels.fold(lease.hostname) in keys
        )
        return _reply(query, answer, candidates, wall)

    def _resolve_address(
        self, query: str, address: Address, wall: float
    ) -> ResolveReply | NoSuchName:
        candidates: list[Claim] = []
        answer = None
        for name in dict.fromkeys(self._policy.names_at(address)):
            decision = self._policy.decide(name)
            candidates += (c for c in decision.claims if c.address == address)
            holding = (
                r for r in decision.records if any(a.address == address for a in r.addresses)
            )
            answer = answer or next(holding, None)
        candidates += (c for c in self._policy.unnamed() if c.address == address)
        candidates += (_expired(lease) for lease in self._expired() if lease.address == address)
        return _reply(query, answer, candidates, wall)

    def _keys(self, name: str) -> Iterator[str]:
        """The bare names whose records may hold `name`."""
        yield from dict.fromkeys((self._policy.canonical(name), name))
        for network, suffix in self._policy.rules.suffixes.items():
            tail = labels.fold(f".{network}.{suffix}")
            if name.endswith(tail) and len(name) > len(tail):
                yield name.removesuffix(tail)


def _reply(
    query: str, answer: HostRecord | None, candidates: list[Claim], wall: float
) -> ResolveReply | NoSuchName:
    entries = list(map(entry, candidates))
    if answer is None or not (answer.addresses or answer.pending_until > wall):
        return NoSuchName(query=query, candidates=entries)
    return ResolveReply(
        name=answer.names[0],
        aliases=list(answer.names[1:]),
        trust=answer.trust,
        pending_until=answer.pending_until or None,
        addresses=list(map(answer_address, answer.addresses)),
        candidates=entries,
    )


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
