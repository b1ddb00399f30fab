"""The running domains: their names, aliases and cards, and the leases that their last runs left.

In: the running domains, and what is held of their cards. Out: names to decide again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final

from leasewatch.addresses import Address
from leasewatch.model import Domain, Lease, LeaseChange, Nic
from leasewatch.names import labels
from leasewatch.names.aliases import Aliases, assign
from leasewatch.names.ledger import Card, Held, Ledger

_FORMER_CARDS: Final = 4096
"""Cards of stopped domains whose last start is remembered."""

_Left = Lease | tuple[str, Address]
"""A lease, or network and address of a neighbour."""


class RunningDomains:
    """Read-only for others but for its methods. All names are folded."""

    def __init__(self, ledger: Ledger) -> None:
        self.by_name: dict[str, tuple[Domain, ...]] = {}
        """Several domains may share a name; one of them answers to it."""
        self.by_card: dict[Card, Domain] = {}
        self.aliases = Aliases()
        self.dotted: dict[str, str] = {}
        """NAME by NAME.NETWORK.SUFFIX, for domains whose NAME has dots itself."""
        self._ledger = ledger
        self._left_over: dict[Card, frozenset[Lease]] = {}
        """Leases from before the domain's start, so from its last run."""
        self.ended: dict[str, tuple[str, frozenset[_Left]]] = {}
        """By name or alias of a domain that has ended: its name, and what it has not given back."""
        self._started: dict[Card, float] = {}

    def set(self, domains: Iterable[Domain], suffixes: Mapping[str, str]) -> set[str]:
        """Set which domains run; returns the names to decide again."""
        former, self.by_name = self.by_name, {}
        former_aliases = self.aliases
        owners: dict[Card, str] = {}
        self.by_card = {}
        for domain in sorted(domains, key=attrgetter("started")):
            name = labels.fold(domain.name)
            self.by_name[name] = (*self.by_name.get(name, ()), domain)
            cards = list(map(_card, domain.nics))
            owners |= dict.fromkeys(cards, name)  # if two have one card, it is the newest's
            self.by_card |= dict.fromkeys(cards, domain)
        self._note_starts()
        self._note_ends(former, former_aliases)
        self.aliases = assign(self.by_name)
        self.set_suffixes(suffixes)
        touched = {
            name
            for name in former.keys() | self.by_name.keys()
            if former.get(name) != self.by_name.get(name)
        }
        touched |= self.aliases.changed(former_aliases)
        # Each may be NAME.NETWORK.SUFFIX of another NAME.
        touched |= {head for name in touched for head in labels.heads(name)}
        return touched | self._ledger.set_owners(owners)

    def set_suffixes(self, suffixes: Mapping[str, str]) -> None:
        """Set the DNS suffix of each network.

        If `a.b` on `c` and `a` on `b.c` both could be `a.b.c`, the longer NAME has it.
        """
        names = sorted((name for name in self.by_name if "." in name), key=len)
        nics = ((name, nic) for name in names for d in self.by_name[name] for nic in d.nics)
        below = ((labels.qualified(name, nic.network, suffixes), name) for name, nic in nics)
        self.dotted = {whole: name for whole, name in below if whole is not None}

    def _note_starts(self) -> None:
        """Note which leases the domains that have just started had before."""
        if len(self._started) > 2 * len(self.by_card) + _FORMER_CARDS:
            self._started = {card: self._started.get(card, -1.0) for card in self.by_card}
            self._left_over = {c: self._left_over.get(c, frozenset()) for c in self.by_card}
        for card, domain in self.by_card.items():
            if self._started.get(card) != domain.started:
                self._started[card] = domain.started
                self._left_over[card] = self._leases_before(card, domain)

    def _leases_before(self, card: Card, domain: Domain) -> frozenset[Lease]:
        """The leases of its card from before its start; not endless ones, which no renewal changes.

        The time of the lease counts too, because the start may be noticed late.
        """
        if not domain.start_seen:
            return frozenset()
        held = self._ledger.by_card.get(card, ())
        old = (one.lease for one in held if one.renewed < domain.started)
        return frozenset(lease for lease in old if lease is not None and lease.expires)

    def _note_ends(self, former: Mapping[str, tuple[Domain, ...]], aliases: Aliases) -> None:
        """Note what the domains held that run no longer."""
        for name in former.keys() - self.by_name.keys():
            cards = [_card(nic) for domain in former[name] for nic in domain.nics]
            left = frozenset(_left(h) for card in cards for h in self._ledger.by_card.get(card, ()))
            self.ended |= dict.fromkeys((name, *aliases.of(name)), (name, left))

    def forget_returned(self, changes: Iterable[LeaseChange]) -> None:
        """Forget the leases of `ended` that were given back or renewed."""
        back = {change.old for change in changes if change.new != change.old}
        left = ((name, (own, held - back)) for name, (own, held) in self.ended.items())
        self.ended = {name: ended for name, ended in left if ended[1]}

    def is_left_over(self, held: Held) -> bool:
        """Whether its lease is from before the start of the domain that has its card."""
        return held.lease in self._left_over[held.network, held.mac]

    def left_by(self, name: str, held: Held) -> str | None:
        """The ended domain of that name or alias that left what is held."""
        domain, left = self.ended.get(name, ("", ()))
        return domain if _left(held) in left else None


def _card(nic: Nic) -> Card:
    return nic.network, nic.mac


def _left(held: Held) -> _Left:
    return held.lease or (held.network, held.address)
