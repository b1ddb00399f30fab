"""Who may answer to which name (DESIGN "Names"): leases and running domains to host records.

It works by name: a change says which names it touches, and `decide` works out one name alone. It
knows no file, no clock and no order of lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Literal

import msgspec

from leasewatch.model import (
    Claim,
    Domain,
    HostAddress,
    HostRecord,
    Lease,
    LeaseChange,
    Neighbour,
    NeighbourChange,
    Nic,
    Trust,
    Verdict,
)
from leasewatch.names import labels
from leasewatch.names.aliases import Aliases, assign
from leasewatch.names.ledger import Card, Ledger
from leasewatch.names.parties import (
    Held,
    Party,
    addresses,
    by_network,
    claimed,
    is_recorded,
    parties,
)
from leasewatch.names.waiting import NOT_AWAITED, Awaited, awaited


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings and the host say about names; all names are folded."""

    guest_claims: Literal["newest", "off"] = "newest"
    reserved: frozenset[str] = frozenset()
    """The host's own names and those of the settings."""
    defined: frozenset[str] = frozenset()
    """Every name and alias of a defined domain, running or not: it is never a guest's."""
    suffixes: Mapping[str, str] = {}
    """DNS suffix by network."""
    ipv6: frozenset[str] = frozenset()
    """The networks where guests may get a global IPv6 address."""


class Decision(msgspec.Struct, frozen=True):
    """What one name answers, the bare name's record first, and what became of each claim to it."""

    records: tuple[HostRecord, ...]
    claims: tuple[Claim, ...]


class NamePolicy:
    """The leases that hold and the domains that run; answers for any one name at any time."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._domains: dict[str, Domain] = {}
        self._aliases = Aliases()
        self._dotted: dict[str, str] = {}
        """NAME.NETWORK.SUFFIX of running domains whose NAME has dots itself -> NAME."""
        self._ledger = Ledger()
        self._left_over: dict[str, frozenset[Lease]] = {}
        """By domain's folded name: leases from before its start, so of its last run."""
        self._ended: dict[str, tuple[str, frozenset[Lease]]] = {}
        """By each folded name of a domain that has ended: what it is called, what it held then and
        is not back yet."""
        self._started: dict[str, float] = {}

    def set_rules(self, rules: Rules) -> set[str]:
        """New rules; returns the names to decide anew."""
        old, self.rules = self.rules, rules
        if _of_all_names(old) != _of_all_names(rules):
            self._dotted = self._below_dotted()
            return set(self.names())
        return set((old.reserved ^ rules.reserved) | (old.defined ^ rules.defined))

    def set_domains(self, domains: Iterable[Domain]) -> set[str]:
        """The domains that run now; returns the names to decide anew."""
        former, self._domains = self._domains, {}
        former_aliases = self._aliases
        for domain in sorted(domains, key=attrgetter("started")):  # the newest wins
            name = labels.fold(domain.name)
            self._domains[name] = domain
            if self._started.get(name) != domain.started:
                self._started[name] = domain.started
                self._left_over[name] = self._leases_before(domain)
        for name in former.keys() - self._domains.keys():
            left = frozenset(held.lease for held in self._of_cards(former[name]))
            self._ended |= dict.fromkeys((name, *former_aliases.of(name)), (name, left))
        self._aliases = assign(self._domains)
        self._dotted = self._below_dotted()
        # One that lost its name has no cards either.
        owners = {_card(nic): name for name, d in self._domains.items() for nic in d.nics}
        touched = {
            name
            for name in former.keys() | self._domains.keys()
            if former.get(name) != self._domains.get(name)
        }
        touched |= self._aliases.changed(former_aliases)
        # It may be NAME.NETWORK.SUFFIX of each of them.
        touched |= {head for name in touched for head in labels.heads(name)}
        return touched | self._ledger.set_owners(owners)

    def _below_dotted(self) -> dict[str, str]:
        """Of two, `a.b` on `c` and `a` on `b.c`, the longer NAME has it: never a guest's."""
        names = sorted((name for name in self._domains if "." in name), key=len)
        pairs = ((name, nic.network) for name in names for nic in self._domains[name].nics)
        below = ((self._qualified(name, network), name) for name, network in pairs)
        return {whole: name for whole, name in below if whole is not None}

    def _leases_before(self, domain: Domain) -> frozenset[Lease]:
        """The leases of its MACs that a renewal will change; one that never ends it will not.

        Asked when the domain starts. The lease's own time matters too: the start may be seen late.
        """
        if not domain.start_seen:
            return frozenset()
        held = self._of_cards(domain)
        return frozenset(h.lease for h in held if h.renewed < domain.started and h.lease.expires)

    def _of_cards(self, domain: Domain) -> list[Held]:
        return [h for card in map(_card, domain.nics) for h in self._ledger.of_card(card)]

    def apply(self, changes: Iterable[LeaseChange]) -> set[str]:
        """Take in changes of leases; returns the names to decide anew."""
        changes = list(changes)
        if self._ended:
            back = {change.old for change in changes if change.new != change.old}
            left = ((name, (own, held - back)) for name, (own, held) in self._ended.items())
            self._ended = {name: ended for name, ended in left if ended[1]}
        return self._ledger.apply(changes)

    def apply_neighbours(self, changes: Iterable[NeighbourChange]) -> set[str]:
        """Take in changes of the neighbour table; returns the names to decide anew."""
        return self._ledger.apply_neighbours(changes)

    def knows(self, network: str, mac: str) -> bool:
        """Whether a running domain's card or a lease has this MAC."""
        held = self._ledger.of_card((network, mac))
        return (network, mac) in self._ledger.owners or any(h.lease.source for h in held)

    def held(self) -> Iterator[LeaseChange | Neighbour]:
        """Every lease, as though just added, and what only the neighbour table has.

        Of neighbours those whose MAC is known.
        """
        return self._ledger.all()

    def names(self) -> Iterator[str]:
        """Every name that is claimed by a lease or a running domain, each once."""
        claimed = self._ledger.names()
        yield from claimed
        yield from (name for name in self._domains if name not in claimed)

    def canonical(self, name: str) -> str:
        """The name that `name` (folded) is an alias of, or itself."""
        return self._aliases.owners.get(name, name)

    def names_at(self, address: str) -> Iterator[str]:
        """The names that `address` (canonical text) is claimed for, owners' first."""
        held = self._ledger.at(address)
        yield from (h.owner for h in held if h.owner is not None)
        yield from (h.guest for h in held if h.guest is not None)

    def unnamed(self) -> Iterator[Claim]:
        """The leases that claim no name and belong to no running domain."""
        for held in self._ledger.unclaiming():
            yield _claim(held, None, None, "unnamed", "the guest gave no hostname")

    def decide(self, name: str) -> Decision:
        """What `name` (folded) answers, and why."""
        held = self._ledger.claiming(name)
        domain = self._domains.get(name)
        if domain is not None:
            return self._decide_domain(name, domain, held)
        refusal = self._refusal(name)
        if refusal is not None:
            owner = self._aliases.owners.get(name)
            others = (h for h in held if owner is None or h.owner != owner)  # its own guest may
            return Decision((), tuple(self._refused(name, h, refusal) for h in others))
        return self._decide_guests(name, held)

    def _refusal(self, name: str) -> str | None:
        fault = labels.guest_fault(name, self.rules.reserved)
        if fault is not None:
            return f'"{name}" {fault}'
        if name in self._aliases.owners:
            return f'"{name}" is an alias of domain {self._aliases.owners[name]}'
        if name in self.rules.defined:
            return f'"{name}" is the name of a domain that does not run'
        if self.rules.guest_claims == "off":
            return "the settings give guests no names (guest_claims)"
        return None

    def _refused(self, name: str, held: Held, why: str) -> Claim:
        """A claim that fails; of a domain that has ended, its own till its lease is given back."""
        domain, left = self._ended.get(name, ("", ()))
        if name in self.rules.defined and held.lease in left:
            why = f"domain {domain} has ended and left this lease"
            return _claim(held, name, "guest", "ended", why)
        return _claim(held, name, "guest", "refused", why)

    def _decide_domain(self, name: str, domain: Domain, held: tuple[Held, ...]) -> Decision:
        claims = [self._domain_claim(name, domain, h) for h in held]
        own = [h for h, c in zip(held, claims, strict=True) if c.verdict == "published"]
        networks = dict.fromkeys(nic.network for nic in domain.nics)
        if not own and domain.runs:
            claims += [_waiting(name, domain, network) for network in networks]
        for alias, (verdict, why) in self._aliases.lost.get(name, {}).items():
            claims.append(_lost(alias, verdict, why, name, next(iter(networks), "")))
        fault = labels.owner_fault(name)
        if fault is not None:
            reason = f'"{name}" {fault}'
            replace = msgspec.structs.replace
            return Decision((), tuple(replace(c, verdict="refused", reason=reason) for c in claims))
        of_network = {net: [h for h in own if h.lease.network == net] for net in networks}
        records = self._records(name, "owner", own, of_network, domain)
        return Decision(records, tuple(claims))

    def _decide_guests(self, name: str, held: tuple[Held, ...]) -> Decision:
        """The newest claim of a network answers below it, the newest of all to the bare name."""
        sides = parties(held)
        if not sides:
            return Decision((), ())
        newest = sides[-1]
        of_network: dict[str, Party] = {}
        for side in sides:  # a newer one takes the place of an older one
            of_network |= by_network(side)
        claims: list[Claim] = []
        for claim in held:
            if claim in newest:
                verdict: Verdict = "published"
                reason = "the guest's DHCP hostname"
                if labels.fold(claim.lease.hostname or "") != name:
                    reason = "the hostname of its network card's lease"
            else:
                verdict = "conflict"
                reason = _why_not(claim, newest)
                if claim in of_network[claim.lease.network]:
                    whole = self._qualified(name, claim.lease.network)
                    reason += f"; this one answers to {whole} alone"
            claims.append(_claim(claim, name, "guest", verdict, reason))
        return Decision(self._records(name, "guest", newest, of_network), tuple(claims))

    def _qualified(self, name: str, network: str) -> str | None:
        return labels.qualified(name, network, self.rules.suffixes.get(network, "internal"))

    def _records(
        self,
        name: str,
        trust: Trust,
        held: Party,
        of_network: Mapping[str, Party],
        domain: Domain | None = None,
    ) -> tuple[HostRecord, ...]:
        """The record of NAME, and of each NAME.NETWORK.SUFFIX that answers something else."""
        wait = self._awaited(domain, held, of_network)
        all_addresses = addresses(held)
        names = [name]
        others: dict[str, HostRecord] = {}
        for network, part in of_network.items():
            whole = self._qualified(name, network)
            if whole is None or whole in {*names, *others} or not self._has(name, whole):
                continue
            below = all_addresses if part == held else addresses(part)
            wait_below = self._awaited(domain, part, (network,))
            if (below, wait_below) == (all_addresses, wait):
                names.append(whole)
            else:
                others[whole] = _record((whole,), below, trust, wait_below)
        names += self._aliases.of(name) if domain is not None else []
        records = (_record(tuple(names), all_addresses, trust, wait), *others.values())
        return tuple(r for r in records if r.addresses or r.pending_until)

    def _has(self, name: str, whole: str) -> bool:
        """Whether NAME.NETWORK.SUFFIX of `name` is its own, and nobody is called that."""
        called = whole in self._domains or whole in self._aliases.owners
        return not called and self._dotted.get(whole, name) == name

    def _awaited(self, domain: Domain | None, held: Party, networks: Iterable[str]) -> Awaited:
        if domain is None:
            return NOT_AWAITED
        ipv6 = any(network in self.rules.ipv6 for network in networks)
        return awaited(domain.pending_until, held, ipv6=ipv6)

    def _domain_claim(self, name: str, domain: Domain, held: Held) -> Claim:
        """What becomes of a claim to a running domain's name."""
        if held.owner == name:
            if held.lease in self._left_over[name] and not held.is_seen:
                reason = f"domain {domain.name} has not renewed this lease since its start"
                return _claim(held, name, "owner", "pending", reason)
            rival = held.rival
            if rival and self._ledger.owners.get((held.lease.network, rival)) != name:
                reason = f"another network card, {rival}, answers at this address"
                return _claim(held, name, "owner", "conflict", reason)
            reason = f"domain {domain.name} owns {held.mac}"
            return _claim(held, name, "owner", "published", reason)
        whose = "the name of a running domain" if domain.runs else "a name that the owner gave"
        reason = f'"{name}" is {whose}'
        if not held.mac:
            reason += ", and nobody has seen whose MAC has this address"
        return _claim(held, name, "guest", "refused", reason)


def _card(nic: Nic) -> Card:
    return nic.network, nic.mac


def _of_all_names(rules: Rules) -> tuple[object, ...]:
    """What matters to every name."""
    return rules.guest_claims, rules.suffixes, rules.ipv6


def _record(
    names: tuple[str, ...], found: tuple[HostAddress, ...], trust: Trust, wait: Awaited
) -> HostRecord:
    return HostRecord(
        names=names,
        addresses=found,
        trust=trust,
        pending_until=wait.until,
        awaited=wait.families,
    )


def _claim(
    held: Held, name: str | None, trust: Trust | None, verdict: Verdict, reason: str
) -> Claim:
    return Claim(
        name=name,
        trust=trust,
        verdict=verdict,
        reason=reason,
        network=held.lease.network,
        lease=held.lease,
        domain=held.owner,
        mac=held.mac or None,
        ifindex=held.ifindex,
        origin=held.origin,
    )


def _waiting(name: str, domain: Domain, network: str) -> Claim:
    return Claim(
        name=name,
        trust="owner",
        verdict="pending",
        reason=f"domain {domain.name} runs and has no lease yet",
        network=network,
        lease=None,
        domain=name,
    )


def _lost(alias: str, verdict: Verdict, why: str, domain: str, network: str) -> Claim:
    return Claim(
        name=alias,
        trust="owner",
        verdict=verdict,
        reason=why,
        network=network,
        lease=None,
        domain=domain,
    )


def _why_not(loser: Held, newest: Party) -> str:
    """Why the newest has the name that the loser claims, too."""
    rival = max(newest, key=claimed)
    who = rival.mac or rival.lease.client_id
    if is_recorded(newest) and loser.lease.hwaddr is None:
        return f"{who} on {rival.lease.network} has a lease of this name with a recorded MAC"
    return f"{who} on {rival.lease.network} claimed the name later"
