"""What the service answers about names, from the name policy. It opens no socket and no file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.api.interface import (
    Entry,
    NoSuchName,
    ResolveReply,
    SourceEntry,
    WaitParameters,
    WaitReply,
    answer_address,
    entry,
    resolve_reply,
)
from leasewatch.model import Claim, HostAddress, HostRecord, Lease
from leasewatch.names import labels
from leasewatch.names.policy import NamePolicy

_FAMILIES: Final = {"ipv4": (4,), "ipv6": (6,)}


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
        answer, claims = self._found(query)
        candidates = list(map(entry, claims))
        if answer is None or not (answer.addresses or answer.pending_until > wall):
            return NoSuchName(query=query, candidates=candidates)
        return resolve_reply(answer, answer.addresses, candidates)

    def awaited(self, asked: WaitParameters, wall: float) -> WaitReply:
        """What `Wait` answers at `wall` (Unix seconds); not `met`: not yet."""
        answer, claims = self._found(asked.name)
        found: list[HostAddress] = []
        if answer is not None and (answer.addresses or answer.pending_until > wall):
            expected = answer.awaited if answer.pending_until > wall else ()
            families = _FAMILIES.get(asked.what, (4, 6))
            found = [a for a in answer.addresses if _counts(a.address, families, expected)]
        elif asked.what == "gone":
            answer = None
        if asked.after is not None:
            fresh = {claim.address for claim in claims if claim.renewed > asked.after}
            found = [held for held in found if held.address in fresh]
        return WaitReply(
            met=answer is None if asked.what == "gone" else bool(found),
            name=answer.names[0] if answer is not None else asked.name,
            addresses=[] if asked.what == "gone" else list(map(answer_address, found)),
            candidates=list(map(entry, claims)),
        )

    def bare_names(self, name: str) -> Iterator[str]:
        """The bare names whose records may hold `name` (folded)."""
        yield from dict.fromkeys((self._policy.canonical(name), name))
        for network, suffix in self._policy.rules.suffixes.items():
            tail = labels.fold(f".{network}.{suffix}")
            if name.endswith(tail) and len(name) > len(tail):
                yield name.removesuffix(tail)

    def _found(self, query: str) -> tuple[HostRecord | None, list[Claim]]:
        """The record that holds a name or an address, and the claims to it, its own first."""
        address = addresses.queried(query)
        name = labels.fold(query)
        keys = self.bare_names(name) if address is None else self._policy.names_at(address)
        decisions = {key: self._policy.decide(key) for key in keys}
        claims = [claim for decision in decisions.values() for claim in decision.claims]
        expired = map(_expired, self._expired())
        if address is None:
            claims += (claim for claim in expired if claim.name in decisions)
        else:
            candidates = (*claims, *self._policy.unnamed(address), *expired)
            claims = [claim for claim in candidates if claim.address == address]
        records = (record for decision in decisions.values() for record in decision.records)
        answer = next((record for record in records if _answers(record, address or name)), None)
        if answer is not None:
            rank = {held.address: number for number, held in enumerate(answer.addresses)}
            claims.sort(key=lambda claim: rank.get(claim.address or b"", len(rank)))
        return answer, claims


def _answers(record: HostRecord, asked: str | Address) -> bool:
    return asked in record.names or any(held.address == asked for held in record.addresses)


def _counts(address: Address, families: tuple[int, ...], expected: tuple[int, ...]) -> bool:
    """Whether to wait no longer: a link-local address does not do while a better one is due."""
    family = addresses.family(address)
    return family in families and not (addresses.has_scope(address) and expected)


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
