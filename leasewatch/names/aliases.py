"""Aliases of domains: which domain has each, and why a domain did not get one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from leasewatch.model import Domain, Nic, Verdict
from leasewatch.names import labels

MAX_BYTES: Final = 512
"""The most that one machine's aliases take, each with a NUL. A host record has at most 2 KiB."""


class Aliases(msgspec.Struct, frozen=True):
    """All aliases, folded."""

    owners: Mapping[str, str] = {}
    """Alias -> the folded name of the domain that has it."""
    lost: Mapping[str, Mapping[str, tuple[Verdict, str]]] = {}
    """Folded name of a domain -> each alias that it did not get -> why, as a sentence."""

    def of(self, name: str) -> list[str]:
        """The aliases of the domain `name` (folded), in the order of its definition."""
        return [alias for alias, owner in self.owners.items() if owner == name]

    def changed(self, former: Aliases) -> set[str]:
        """The names of domains, and the aliases, whose answers changed."""
        touched = {
            name
            for alias in self.owners.keys() | former.owners.keys()
            if (old := former.owners.get(alias)) != (new := self.owners.get(alias))
            for name in (alias, old, new)
            if name is not None
        }
        names = self.lost.keys() | former.lost.keys()
        return touched | {name for name in names if self.lost.get(name) != former.lost.get(name)}


def assign(domains: Mapping[str, Iterable[Domain]]) -> Aliases:
    """Assign the aliases of the running `domains` (by folded name).

    A domain's own name beats an alias. If two domains have one alias, the newest domain gets it.
    Aliases that do not fit are refused, so that they do not cost the domain its own name.
    """
    owners: dict[str, str] = {}
    lost: dict[str, dict[str, tuple[Verdict, str]]] = {}
    named = ((name, domain) for name, namesakes in domains.items() for domain in namesakes)
    newest_first = sorted(named, key=lambda item: item[1].started, reverse=True)
    for name, domain in newest_first:
        taken = 0
        for alias in dict.fromkeys(map(labels.fold, domain.aliases)):
            fault = labels.owner_fault(alias)
            mine = lost.setdefault(name, {})
            taken += len(alias) + 1
            if fault is not None:
                mine[alias] = "refused", f'"{alias}" {fault}'
            elif alias in domains:
                if alias != name:
                    mine[alias] = "conflict", f'"{alias}" is a domain\'s own name'
            elif taken > MAX_BYTES:
                mine[alias] = (
                    "refused",
                    f'the aliases up to "{alias}" take more than {MAX_BYTES} bytes',
                )
            elif (owner := owners.setdefault(alias, name)) != name:
                mine[alias] = "conflict", f'"{alias}" is an alias of domain {owner}, started later'
    return Aliases(owners, lost)


def no_longer_awaited(domain: Domain, wall: float) -> Domain:
    """The domain, without `pending_until` if that has passed by `wall` (Unix seconds)."""
    if 0 < domain.pending_until <= wall:
        return msgspec.structs.replace(domain, pending_until=0)
    return domain


def merge_hosts(domains: Iterable[Domain], hosts: Iterable[Domain]) -> list[Domain]:
    """The domains, and the `[[host]]` entries of the settings.

    A host that shares a card with a domain is that domain. The domain gets the host's names as
    aliases, the addresses of its cards, and the cards that no domain has.
    """
    found = sorted(domains, key=lambda domain: domain.started)
    at = {_card(nic): i for i, domain in enumerate(found) for nic in domain.nics}
    for host in hosts:
        place = next((at[_card(nic)] for nic in host.nics if _card(nic) in at), None)
        if place is None:
            found.append(host)
        else:
            domain = found[place]
            names = (*domain.aliases, host.name, *host.aliases)
            given = {_card(nic): nic.address for nic in host.nics}
            own = (
                msgspec.structs.replace(nic, address=nic.address or given.get(_card(nic), ""))
                for nic in domain.nics
            )
            nics = (*own, *(n for n in host.nics if _card(n) not in at))
            found[place] = msgspec.structs.replace(domain, aliases=names, nics=nics)
    return found


def _card(nic: Nic) -> tuple[str, str]:
    return nic.network, nic.mac
