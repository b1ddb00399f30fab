"""Who may answer to which name: leases, neighbours and running domains to host records.

It works by name: a change returns the names it touches, and `decide` works out one name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

import msgspec

from leasewatch import addresses
from leasewatch.addresses import Address, has_scope
from leasewatch.model import (
    Claim,
    Domain,
    HostAddress,
    HostRecord,
    LeaseChange,
    Neighbour,
    NeighbourChange,
    Trust,
)
from leasewatch.names import labels
from leasewatch.names.claimants import (
    Claimant,
    by_network,
    guests,
    owners_rank,
    why_a_guest_lost,
    why_a_namesake_lost,
)
from leasewatch.names.ledger import Held, Ledger
from leasewatch.names.on_link import Prefix
from leasewatch.names.pending import NOT_AWAITED, Awaited, awaited
from leasewatch.names.running import RunningDomains

MAX_ADDRESSES: Final = 32
"""Of one host record (csrc/snapshot_format.h)."""


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings and the host say about names. All names are folded."""

    guest_claims: Literal["newest", "off"] = "newest"
    reserved: frozenset[str] = frozenset()
    """The host's own names and those of the settings."""
    defined: frozenset[str] = frozenset()
    """Each name and alias of a defined domain, running or not. No guest gets one of them."""
    suffixes: Mapping[str, str] = {}
    """DNS suffix by network."""
    ipv6: frozenset[str] = frozenset()
    """The networks where guests may get a global IPv6 address."""
    prefixes: Mapping[str, tuple[Prefix, ...]] = {}
    """The prefixes of each network's bridges, where known."""
    unrelayed: frozenset[str] = frozenset()
    """The networks whose DHCP server serves only its own bridges, so no relay brings guests."""
    shared: frozenset[str] = frozenset()
    """The networks whose links other hosts share, so that an address is the same guest there."""
    zone: str = ""
    """This host's zone in its site, HOST.vm.SITE; empty: it has none."""


class Decision(msgspec.Struct, frozen=True):
    """What one name answers, the record of the bare name first, and each claim to it."""

    records: tuple[HostRecord, ...]
    claims: tuple[Claim, ...]


class NamePolicy:
    """Knows what is held and which domains run; answers for any name at any time."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._ledger = Ledger()
        self._running = RunningDomains(self._ledger)

    def set_rules(self, rules: Rules) -> set[str]:
        """Use new rules; returns the names to decide again."""
        old, self.rules = self.rules, rules
        touched = self._ledger.set_prefixes(rules.prefixes)
        if _for_all_names(old) != _for_all_names(rules):
            self._running.set_suffixes(rules.suffixes)
            return set(self.names())
        return touched | (old.reserved ^ rules.reserved) | (old.defined ^ rules.defined)

    def set_domains(self, domains: Iterable[Domain]) -> set[str]:
        """Set which domains run; returns the names to decide again."""
        return self._running.set(domains, self.rules.suffixes)

    def apply(self, changes: Collection[LeaseChange]) -> set[str]:
        """Apply changes of leases; returns the names to decide again."""
        if self._running.ended:
            self._running.forget_returned(changes)
        return self._ledger.apply(changes)

    def apply_neighbours(self, changes: Iterable[NeighbourChange]) -> set[str]:
        """Apply changes of the neighbour table; returns the names to decide again."""
        return self._ledger.apply_neighbours(changes)

    def knows(self, network: str, mac: str) -> bool:
        """Whether a running domain's card or a lease has this MAC."""
        card = network, mac
        held = self._ledger.by_card.get(card, ())
        return card in self._ledger.owners or any(one.lease is not None for one in held)

    def held(self) -> Iterator[LeaseChange | Neighbour]:
        """Each lease as if just added, and each known neighbour at an address without lease."""
        return self._ledger.current()

    def names(self) -> Iterator[str]:
        """Each name that a lease or a running domain claims, once."""
        claimed = self._ledger.by_name.keys()
        yield from claimed
        yield from (name for name in self._running.by_name if name not in claimed)

    def canonical(self, name: str) -> str:
        """The name that `name` (folded) is an alias of, or itself."""
        return self._running.aliases.owners.get(name, name)

    def names_at(self, address: Address) -> Iterator[str]:
        """The names that `address` is claimed for, owners' first."""
        held = self._ledger.by_address.get(address, ())
        yield from (h.owner for h in held if h.owner is not None)
        yield from (h.guest for h in held if h.guest is not None)

    def unnamed(self, address: Address | None = None) -> Iterator[Claim]:
        """The leases, at `address` if given, that claim no name and belong to no domain."""
        for held in self._ledger.unclaiming(address):
            yield held.claim(None, None, "unnamed", "the guest gave no hostname")

    def decide(self, name: str, *, records: bool = True) -> Decision:
        """What `name` (folded) answers, and why; without `records` only why, in half the time."""
        held = self._ledger.by_name.get(name, ())
        domains = self._running.by_name.get(name)
        if domains is not None:
            return self._decide_domains(name, domains, held, records)
        refusal = self._refusal(name)
        if refusal is not None:
            owner = self._running.aliases.owners.get(name)
            others = (h for h in held if owner is None or h.owner != owner)  # its own guest may
            return Decision((), tuple(self._refused(name, h, refusal) for h in others))
        return self._decide_guests(name, held, records)

    def _refusal(self, name: str) -> str | None:
        """Why no guest may have the name."""
        fault = labels.guest_fault(name, self.rules.reserved)
        if fault is not None:
            return f'"{name}" {fault}'
        if name in self._running.aliases.owners:
            return f'"{name}" is an alias of domain {self._running.aliases.owners[name]}'
        if name in self.rules.defined:
            return f'"{name}" is the name of a domain that is not running'
        if self.rules.guest_claims == "off":
            return "the settings allow no names for guests (guest_claims)"
        return None

    def _refused(self, name: str, held: Held, why: str) -> Claim:
        """A guest's claim that is refused, or left by the last run of a domain of that name."""
        if name in self.rules.defined and (left := self._left(name, held)):
            return left
        return held.claim(name, "guest", "refused", why)

    def _left(self, name: str, held: Held) -> Claim | None:
        """The claim of what a domain of that name left, defined or not; None: it is not left."""
        domain = self._running.left_by(name, held)
        if domain is None:
            return None
        why = f"domain {domain} has ended; this lease is left over from it"
        return held.claim(name, "guest", "ended", why)

    def _decide_domains(
        self, name: str, domains: tuple[Domain, ...], held: tuple[Held, ...], records: bool
    ) -> Decision:
        """Decide between the domains of one name; mostly there is one."""
        claims = [self._owner_claim(name, domains, h) for h in held]
        own = [h for h, c in zip(held, claims, strict=True) if c.verdict == "published"]
        claimants = [Claimant([h for h in own if self._domain_at(h) is d], d) for d in domains]
        claimants.sort(key=owners_rank)
        of_network = by_network(claimants)
        if len(claimants) > 1:
            winner = claimants[-1]
            why = why_a_namesake_lost(name, winner)
            claims = [
                self._beaten(name, claim, h, of_network, why)
                if claim.verdict == "published" and h not in winner.held
                else claim
                for claim, h in zip(claims, held, strict=True)
            ]
        for claimant in claimants:
            domain = claimant.domain
            if domain is not None and domain.runs and not claimant.held:
                why = f"domain {domain.name} is running and has no lease yet"
                for network in claimant.networks():
                    claims.append(Claim(name, "owner", "pending", why, network, domain=name))
        first = next(iter(of_network), "")
        for alias, (verdict, why) in self._running.aliases.lost.get(name, {}).items():
            claims.append(Claim(alias, "owner", verdict, why, first, domain=name))
        fault = labels.owner_fault(name)
        if fault is not None:
            reason = f'"{name}" {fault}'
            replace = msgspec.structs.replace
            return Decision((), tuple(replace(c, verdict="refused", reason=reason) for c in claims))
        made = self._records(name, "owner", claimants, of_network) if records else ()
        return Decision(made, tuple(claims))

    def _owner_claim(self, name: str, domains: tuple[Domain, ...], held: Held) -> Claim:
        """Decide one claim to the name of running domains, without regard to the others."""
        domain = self._domain_at(held)
        if held.owner == name and domain is not None:
            if self._is_astray(held):
                return self._astray(name, "owner", held)
            if self._running.is_left_over(held) and not held.is_seen:
                reason = f"domain {domain.name} has not renewed this lease since its start"
                return held.claim(name, "owner", "pending", reason)
            rival = held.rival
            if rival and self._running.by_card.get((held.network, rival)) is not domain:
                reason = f"another network card, {rival}, answers at this address"
                return held.claim(name, "owner", "conflict", reason)
            reason = f"domain {domain.name} owns {held.mac}"
            return held.claim(name, "owner", "published", reason)
        runs = any(domain.runs for domain in domains)
        whose = "the name of a running domain" if runs else "a name set by the owner"
        reason = f'"{name}" is {whose}'
        if not held.mac:
            reason += ", and the host has not seen which MAC has this address"
        return held.claim(name, "guest", "refused", reason)

    def _domain_at(self, held: Held) -> Domain | None:
        return self._running.by_card.get((held.network, held.mac))

    def _decide_guests(self, name: str, held: tuple[Held, ...], records: bool) -> Decision:
        """Decide between guests. The winner on a network answers to NAME.NETWORK.SUFFIX too."""
        claims: list[Claim] = []
        if name in self._running.ended:
            claims = list(filter(None, (self._left(name, one) for one in held)))
            held = tuple(one for one in held if self._left(name, one) is None)
        if any(one.off_link for one in held):
            claims += [self._astray(name, "guest", one) for one in held if self._is_astray(one)]
            held = tuple(one for one in held if not self._is_astray(one))
        if not held:
            return Decision((), tuple(claims))
        if len(held) == 1:  # common
            claimants = [Claimant([*held])]
            of_network = {held[0].network: claimants[0]}
        else:
            claimants = guests(held)
            of_network = by_network(claimants)
        winner = claimants[-1]
        for one in held:
            reason = "the guest's DHCP hostname"
            if one.hostname != name and labels.fold(one.hostname or "") != name:
                reason = "the hostname of its network card's lease"
            claim = one.claim(name, "guest", "published", reason)
            if one not in winner.held:
                why = why_a_guest_lost(one, winner)
                claim = self._beaten(name, claim, one, of_network, why)
            claims.append(claim)
        made = self._records(name, "guest", claimants, of_network) if records else ()
        return Decision(made, tuple(claims))

    def _is_astray(self, held: Held) -> bool:
        """Whether packets to the address would leave the host by another way, to a stranger."""
        return held.off_link and held.network in self.rules.unrelayed

    def _astray(self, name: str, trust: Trust, held: Held) -> Claim:
        reason = f"no bridge of network {held.network} has this address in its subnets"
        return held.claim(name, trust, "refused", reason)

    def _beaten(
        self, name: str, claim: Claim, held: Held, of_network: Mapping[str, Claimant], why: str
    ) -> Claim:
        """A claim that lost NAME. It may still have NAME.NETWORK.SUFFIX."""
        network = held.network
        if held in of_network[network].held:
            whole = labels.qualified(name, network, self.rules.suffixes)
            why += f"; this one resolves as {whole} alone"
        return msgspec.structs.replace(claim, verdict="conflict", reason=why)

    def _records(
        self,
        name: str,
        trust: Trust,
        claimants: list[Claimant],
        of_network: Mapping[str, Claimant],
    ) -> tuple[HostRecord, ...]:
        """The record of NAME, and of each NAME.NETWORK.SUFFIX and alias that answers otherwise.

        `claimants`: the winner of NAME is the last.
        """
        winner = claimants[-1]
        wait, found = self._awaited(winner), host_addresses(winner.held)
        names = [name]
        if self.rules.zone and trust == "owner" and "." not in name:
            names += self._in_site(name)
        others: dict[str, HostRecord] = {}
        for network, claimant in of_network.items():
            whole = self._below(name, network)
            if whole is None or whole in names or whole in others:
                continue
            same = claimant is winner or claimant.held == winner.held
            below = found if same else host_addresses(claimant.held)
            wait_below = self._awaited(claimant, network)
            both = (whole, *self._in_site(name, network)) if self.rules.zone else (whole,)
            if (below, wait_below) == (found, wait):
                names += both
            else:
                others[whole] = HostRecord(both, below, trust, *wait_below)
        aliases = self._running.aliases.of(name) if winner.domain is not None else []
        for claimant in reversed(claimants) if aliases else ():
            own = [a for a in aliases if len(claimants) == 1 or claimant.is_called(a)]
            aliases = [a for a in aliases if a not in own]
            if claimant is winner:
                names += own
            elif own:
                below = host_addresses(claimant.held)
                others[own[0]] = HostRecord(tuple(own), below, trust, *self._awaited(claimant))
        records = (HostRecord(tuple(names), found, trust, *wait), *others.values())
        return tuple([r for r in records if r.addresses or r.pending_until])

    def _below(self, name: str, network: str) -> str | None:
        """NAME.NETWORK.SUFFIX, if it is possible and free."""
        whole = labels.qualified(name, network, self.rules.suffixes)
        if whole is None or whole in self._running.by_name or whole in self._running.aliases.owners:
            return None
        return whole if self._running.dotted.get(whole, name) == name else None

    def _in_site(self, name: str, network: str = "") -> tuple[str, ...]:
        """NAME.HOST.vm.SITE or NAME.NETWORK.HOST.vm.SITE, which the site's other hosts have too.

        The network's label has no dot, and neither has a NAME without it. So no two names collide.
        """
        if "." in network:
            return ()
        below = f"{name}.{labels.fold(network)}" if network else name
        whole = f"{below}.{self.rules.zone}"
        taken = below in self._running.by_name if network else whole in self._running.by_name
        return () if taken or len(whole) > labels.MAX_NAME else (whole,)

    def _awaited(self, claimant: Claimant, network: str | None = None) -> Awaited:
        """What may still come for a domain, on one of its networks if one is given."""
        if claimant.domain is None:
            return NOT_AWAITED
        networks = claimant.networks() if network is None else [network]
        ipv6 = any(network in self.rules.ipv6 for network in networks)
        return awaited(claimant.domain.pending_until, claimant.held, ipv6=ipv6)


def host_addresses(held: Sequence[Held]) -> tuple[HostAddress, ...]:
    """Each address once, the best first, `MAX_ADDRESSES` at most.

    The order: on-link, answering, global, leased, newest. An IPv6 link-local address without its
    interface is omitted, because it reaches no machine.
    """
    found: dict[tuple[Address, int], HostAddress] = {}
    for one in sorted(held, key=_order) if len(held) > 1 else held:
        ifindex = one.ifindex
        if not ifindex and has_scope(one.address):
            continue
        found.setdefault(
            (one.address, ifindex),
            HostAddress(
                address=one.address,
                expires=one.lease.expires if one.lease is not None else 0,
                network=one.network,
                ifindex=ifindex,
                origin="neighbour" if one.lease is None else "lease",
            ),
        )
    return tuple(found.values())[:MAX_ADDRESSES]


def _order(held: Held) -> tuple[bool, bool, bool, bool, float]:
    failed = held.neighbour is not None and not held.neighbour.reachable
    local = addresses.is_link_local(held.address)
    return held.off_link, failed, local, held.lease is None, -held.since


def _for_all_names(rules: Rules) -> tuple[object, ...]:
    """The rules that matter to every name."""
    return rules.guest_claims, rules.suffixes, rules.ipv6, rules.unrelayed, rules.zone
