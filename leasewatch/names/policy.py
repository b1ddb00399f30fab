"""Who may answer to which name: leases and running domains to host records.

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
    HostRecord,
    Lease,
    LeaseChange,
    Neighbour,
    NeighbourChange,
    Nic,
    Trust,
)
from leasewatch.names import labels, verdicts
from leasewatch.names.aliases import Aliases, assign
from leasewatch.names.claimants import Held, Side, addresses, by_network, owners_rank, parties
from leasewatch.names.ledger import Card, Ledger, card_of
from leasewatch.names.on_link import Prefix
from leasewatch.names.waiting import NOT_AWAITED, Awaited, awaited

_FORMER_CARDS = 4096
"""Of domains that run no more: when those started is remembered."""


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
    prefixes: Mapping[str, tuple[Prefix, ...]] = {}
    """Those of each network's bridges, where they are known."""
    unrelayed: frozenset[str] = frozenset()
    """The networks whose DHCP server serves its own bridges alone: no relay brings other guests."""


class Decision(msgspec.Struct, frozen=True):
    """What one name answers, the bare name's record first, and what became of each claim to it."""

    records: tuple[HostRecord, ...]
    claims: tuple[Claim, ...]


class NamePolicy:
    """The leases that hold and the domains that run; answers for any one name at any time."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._domains: dict[str, tuple[Domain, ...]] = {}
        """By folded name: several may have the same, and one of them answers to it."""
        self._of_card: dict[Card, Domain] = {}
        self._aliases = Aliases()
        self._dotted: dict[str, str] = {}
        """NAME.NETWORK.SUFFIX of running domains whose NAME has dots itself -> NAME."""
        self._ledger = Ledger()
        self._left_over: dict[Card, frozenset[Lease]] = {}
        """By domain's card: leases from before the domain's start, so of its last run."""
        self._ended: dict[str, tuple[str, frozenset[Lease]]] = {}
        """By each folded name of a domain that has ended: what it is called, what it held then and
        is not back yet."""
        self._started: dict[Card, float] = {}

    def set_rules(self, rules: Rules) -> set[str]:
        """New rules; returns the names to decide anew."""
        old, self.rules = self.rules, rules
        touched = self._ledger.set_prefixes(rules.prefixes)
        if _of_all_names(old) != _of_all_names(rules):
            self._dotted = self._below_dotted()
            return set(self.names())
        return touched | (old.reserved ^ rules.reserved) | (old.defined ^ rules.defined)

    def set_domains(self, domains: Iterable[Domain]) -> set[str]:
        """The domains that run now; returns the names to decide anew."""
        former, self._domains = self._domains, {}
        former_aliases = self._aliases
        owners: dict[Card, str] = {}
        self._of_card = {}
        for domain in sorted(domains, key=attrgetter("started")):
            name = labels.fold(domain.name)
            self._domains[name] = (*self._domains.get(name, ()), domain)
            cards = list(map(_card, domain.nics))
            owners |= dict.fromkeys(cards, name)  # of two with one card, the newest has it
            self._of_card |= dict.fromkeys(cards, domain)
        if len(self._started) > 2 * len(self._of_card) + _FORMER_CARDS:
            self._started = {card: self._started.get(card, -1.0) for card in self._of_card}
            self._left_over = {card: self._left_over.get(card, frozenset()) for card in owners}
        for card, domain in self._of_card.items():
            if self._started.get(card) != domain.started:
                self._started[card] = domain.started
                self._left_over[card] = self._leases_before(card, domain)
        for name in former.keys() - self._domains.keys():
            cards = [_card(nic) for domain in former[name] for nic in domain.nics]
            left = frozenset(held.lease for card in cards for held in self._ledger.of_card(card))
            self._ended |= dict.fromkeys((name, *former_aliases.of(name)), (name, left))
        self._aliases = assign(self._domains)
        self._dotted = self._below_dotted()
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
        nics = ((name, nic) for name in names for d in self._domains[name] for nic in d.nics)
        pairs = ((name, nic.network) for name, nic in nics)
        below = ((self._qualified(name, network), name) for name, network in pairs)
        return {whole: name for whole, name in below if whole is not None}

    def _leases_before(self, card: Card, domain: Domain) -> frozenset[Lease]:
        """The leases of its card that a renewal will change; one that never ends it will not.

        Asked when the domain starts. The lease's own time matters too: the start may be seen late.
        """
        if not domain.start_seen:
            return frozenset()
        held = self._ledger.of_card(card)
        return frozenset(h.lease for h in held if h.renewed < domain.started and h.lease.expires)

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
            yield verdicts.of_held(held, None, None, "unnamed", "the guest gave no hostname")

    def decide(self, name: str) -> Decision:
        """What `name` (folded) answers, and why."""
        held = self._ledger.claiming(name)
        domains = self._domains.get(name)
        if domains is not None:
            return self._decide_domains(name, domains, held)
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
            return verdicts.of_held(held, name, "guest", "ended", why)
        return verdicts.of_held(held, name, "guest", "refused", why)

    def _decide_domains(
        self, name: str, domains: tuple[Domain, ...], held: tuple[Held, ...]
    ) -> Decision:
        """Decide between the domains of one name; nearly always it is one."""
        told = [self._owner_claim(name, domains, h) for h in held]
        own = [h for h, c in zip(held, told, strict=True) if c.verdict == "published"]
        sides = [Side([h for h in own if self._domain_at(h) is d], d) for d in domains]
        sides.sort(key=owners_rank)
        of_network = by_network(sides)
        if len(sides) > 1:
            why = verdicts.why_a_namesake_lost(name, sides[-1])
            told = [
                self._beaten(name, claim, h, of_network, why)
                if claim.verdict == "published" and h not in sides[-1].held
                else claim
                for claim, h in zip(told, held, strict=True)
            ]
        for side in sides:
            if side.domain is not None and side.domain.runs and not side.held:
                domain = side.domain
                told += [verdicts.waiting(name, domain, network) for network in side.networks()]
        for alias, (verdict, why) in self._aliases.lost.get(name, {}).items():
            told.append(verdicts.lost(alias, verdict, why, name, next(iter(of_network), "")))
        fault = labels.owner_fault(name)
        if fault is not None:
            reason = f'"{name}" {fault}'
            replace = msgspec.structs.replace
            return Decision((), tuple(replace(c, verdict="refused", reason=reason) for c in told))
        return Decision(self._records(name, "owner", sides, of_network), tuple(told))

    def _decide_guests(self, name: str, held: tuple[Held, ...]) -> Decision:
        """Decide between guests: the one that wins on a network answers below it, too."""
        told: list[Claim] = []
        if any(map(_is_off_link, held)):
            told = [self._astray(name, "guest", one) for one in held if self._is_astray(one)]
            held = tuple(one for one in held if not self._is_astray(one))
        if not held:
            return Decision((), tuple(told))
        sides = [Side(party) for party in parties(held)]
        newest, of_network = sides[-1], by_network(sides)
        for one in held:
            claim = verdicts.of_guest(name, one)
            if one not in newest.held:
                why = verdicts.why_a_guest_lost(one, newest.held)
                claim = self._beaten(name, claim, one, of_network, why)
            told.append(claim)
        return Decision(self._records(name, "guest", sides, of_network), tuple(told))

    def _is_astray(self, held: Held) -> bool:
        """Whether packets to the address would leave the host by another way, to a stranger."""
        return held.off_link and held.lease.network in self.rules.unrelayed

    def _astray(self, name: str, trust: Trust, held: Held) -> Claim:
        reason = f"no bridge of network {held.lease.network} has this address in its networks"
        return verdicts.of_held(held, name, trust, "refused", reason)

    def _beaten(
        self, name: str, claim: Claim, held: Held, of_network: Mapping[str, Side], why: str
    ) -> Claim:
        """The claim to NAME that another one goes before; it may answer below its network."""
        network = held.lease.network
        if held in of_network[network].held:
            why += f"; this one answers to {self._qualified(name, network)} alone"
        return msgspec.structs.replace(claim, verdict="conflict", reason=why)

    def _qualified(self, name: str, network: str) -> str | None:
        return labels.qualified(name, network, self.rules.suffixes.get(network, "internal"))

    def _records(
        self, name: str, trust: Trust, sides: list[Side], of_network: Mapping[str, Side]
    ) -> tuple[HostRecord, ...]:
        """The record of NAME, and of each NAME.NETWORK.SUFFIX that answers something else.

        `sides`: the candidates for NAME, the one that answers to it last.
        """
        newest = sides[-1]
        wait = self._awaited(newest)
        all_addresses = addresses(newest.held)
        names = [name]
        others: dict[str, HostRecord] = {}
        for network, side in of_network.items():
            whole = self._qualified(name, network)
            if whole is None or whole in names or whole in others or not self._has(name, whole):
                continue
            same = side is newest or side.held == newest.held
            below = all_addresses if same else addresses(side.held)
            wait_below = self._awaited(side, network)
            if (below, wait_below) == (all_addresses, wait):
                names.append(whole)
            else:
                others[whole] = verdicts.record((whole,), below, trust, wait_below)
        aliases = self._aliases.of(name) if newest.domain is not None else []
        for side in reversed(sides) if aliases else ():
            mine = [a for a in aliases if len(sides) == 1 or side.is_called(a)]
            aliases = [a for a in aliases if a not in mine]
            if side is newest:
                names += mine
            elif mine:
                found = addresses(side.held)
                others[mine[0]] = verdicts.record(tuple(mine), found, trust, self._awaited(side))
        records = (verdicts.record(tuple(names), all_addresses, trust, wait), *others.values())
        return tuple([r for r in records if r.addresses or r.pending_until])

    def _has(self, name: str, whole: str) -> bool:
        """Whether NAME.NETWORK.SUFFIX of `name` is its own, and nobody is called that."""
        called = whole in self._domains or whole in self._aliases.owners
        return not called and self._dotted.get(whole, name) == name

    def _awaited(self, side: Side, network: str | None = None) -> Awaited:
        """What may still come for a domain; of one of its networks, if one is given."""
        if side.domain is None:
            return NOT_AWAITED
        networks = side.networks() if network is None else [network]
        ipv6 = any(network in self.rules.ipv6 for network in networks)
        return awaited(side.domain.pending_until, side.held, ipv6=ipv6)

    def _domain_at(self, held: Held) -> Domain | None:
        return self._of_card.get(card_of(held))

    def _owner_claim(self, name: str, domains: tuple[Domain, ...], held: Held) -> Claim:
        """What becomes of a claim to the name of domains, each taken by itself."""
        domain = self._domain_at(held)
        if held.owner == name and domain is not None:
            if self._is_astray(held):
                return self._astray(name, "owner", held)
            if held.lease in self._left_over[card_of(held)] and not held.is_seen:
                reason = f"domain {domain.name} has not renewed this lease since its start"
                return verdicts.of_held(held, name, "owner", "pending", reason)
            rival = held.rival
            if rival and self._of_card.get((held.lease.network, rival)) is not domain:
                reason = f"another network card, {rival}, answers at this address"
                return verdicts.of_held(held, name, "owner", "conflict", reason)
            reason = f"domain {domain.name} owns {held.mac}"
            return verdicts.of_held(held, name, "owner", "published", reason)
        runs = any(domain.runs for domain in domains)
        whose = "the name of a running domain" if runs else "a name that the owner gave"
        reason = f'"{name}" is {whose}'
        if not held.mac:
            reason += ", and nobody has seen whose MAC has this address"
        return verdicts.of_held(held, name, "guest", "refused", reason)


def _card(nic: Nic) -> Card:
    return nic.network, nic.mac


_is_off_link = attrgetter("off_link")


def _of_all_names(rules: Rules) -> tuple[object, ...]:
    """What matters to every name."""
    return rules.guest_claims, rules.suffixes, rules.ipv6, rules.unrelayed
