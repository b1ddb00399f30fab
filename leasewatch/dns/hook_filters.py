"""The names for which systemd-resolved asks the hook. A name must pass all tests of a filter.

So there are two filters, on two sockets. Bare names have one label. All others are listed by
domain: NETWORK.SUFFIX, the reverse zones of the networks, the site's zone vm.SITE, and owners'
names that have dots themselves. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from leasewatch.addresses import has_scope
from leasewatch.dns.hook_interface import QueryFilterReply
from leasewatch.names import labels
from leasewatch.names.on_link import Prefix

BARE_NAMES: Final = QueryFilterReply(filterLabelsMin=1, filterLabelsMax=1)
"""Always on: it costs one question for each lookup of a bare name. A filter that followed the names
would lose the first lookup of the first one. The root has no label."""

_ALL_REVERSE: Final = frozenset({"in-addr.arpa", "ip6.arpa"})


class Zones(NamedTuple):
    """What is ours beside bare names."""

    networks: frozenset[str] = frozenset()
    """NETWORK.SUFFIX, folded: no other server has names there."""
    reverse: frozenset[str] = frozenset()
    site: str = ""
    """vm.SITE; empty: no site."""
    dotted: frozenset[str] = frozenset()
    """Owners' names with dots that are below neither a network nor the site, folded."""

    def has(self, name: str) -> bool:
        """Whether a folded name is below NETWORK.SUFFIX or vm.SITE."""
        of_site = bool(self.site) and name.endswith(f".{self.site}")
        return of_site or self.is_of_a_network(name)

    def is_of_a_network(self, name: str) -> bool:
        """Whether a folded name is below NETWORK.SUFFIX."""
        return any(parent in self.networks for parent in _parents(name))

    def filter(self) -> QueryFilterReply:
        """What systemd-resolved gets; with no zones it asks for nothing."""
        reverse = self.reverse
        site = frozenset[str]()
        if self.site:
            site, reverse = frozenset({self.site}), _ALL_REVERSE  # the peers' are not known
        domains = self.networks | self.dotted | site | reverse
        return QueryFilterReply(filterDomains=sorted(domains))


def networks(suffixes: Mapping[str, str]) -> frozenset[str]:
    """NETWORK.SUFFIX of each network in which a name can be; `suffixes` are by network."""
    whole = (labels.qualified("x", network, suffixes) for network in suffixes)
    return frozenset(name.removeprefix("x.") for name in whole if name is not None)


def reverse_zones(prefixes: Iterable[Prefix]) -> frozenset[str]:
    """Reverse zones that hold the prefixes (RFC 1035, 3.5; RFC 3596, 2.5).

    A prefix that ends within a label has the zone above: its other addresses are not ours, and are
    answered so. Link-local prefixes have none, nor those of a whole family.
    """
    return frozenset(filter(None, map(_reverse_zone, prefixes)))


def _reverse_zone(prefix: Prefix) -> str:
    address, length = prefix
    if has_scope(address):
        return ""
    if len(address) == 4:
        parts = [str(octet) for octet in address[: length // 8]]
        return ".".join([*reversed(parts), "in-addr.arpa"]) if parts else ""
    digits = address.hex()[: length // 4]
    return ".".join([*reversed(digits), "ip6.arpa"]) if digits else ""


def _parents(name: str) -> Iterator[str]:
    """The names above, the nearest first."""
    _, _, name = name.partition(".")
    while name:
        yield name
        _, _, name = name.partition(".")
