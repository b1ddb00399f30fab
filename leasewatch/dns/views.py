"""Who may ask for which names. Pure.

| asker | sees |
|---|---|
| an address within a network's prefixes | its network, and those of `[dns.guests]` |
| loopback, or an address of the host's own that asks itself | everything |
| any other: the site's network | the site's zones, which are made for it |

A network's bridge address counts as that network: its dnsmasq forwards with it as source. The
site's zones hold every network's names, so guests see them only with `"*"`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from typing import Final, NamedTuple

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.dns.table import Network

_ALL: Final = "*"
_MOST: Final = 4096
"""Askers whose view is remembered."""
_LOOPBACK: Final = ("127.", "::1")


class View(NamedTuple):
    """What an asker sees."""

    networks: frozenset[str] | None
    """None: every network."""
    site: bool
    """Whether it sees the zones that are made for the site, its own and its peers'."""

    def sees(self, network: str) -> bool:
        """Whether it sees the names of that network."""
        return self.networks is None or network in self.networks


HOST: Final = View(None, site=True)
STRANGER: Final = View(frozenset(), site=True)


class Client(NamedTuple):
    """What matters of an asker's address."""

    view: View
    share: str
    """Clients with the same one share a limit of replies over UDP; empty: no limit."""


class _Prefix(NamedTuple):
    length: int
    family: int
    first: int
    last: int
    network: str


class Views:
    """The view of each address, and with whom it shares a limit.

    Only strangers have one: no reply to another address leaves this host.
    """

    def __init__(
        self,
        networks: Mapping[str, Network] | None = None,
        guests: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._prefixes = prefixes(networks or {})
        self._guests = guests or {}
        self._known: dict[tuple[str, str], Client] = {}

    def of(self, address: str, local: str) -> Client:
        """The asker at `address`, if it asks the address `local`."""
        found = self._known.get((address, local))
        if found is None:
            if len(self._known) >= _MOST:
                self._known.clear()
            packed = addresses.parse(address.partition("%")[0])
            view = self._find(address, local, packed)
            found = Client(view, _share(packed) if view == STRANGER else "")
            self._known[address, local] = found
        return found

    def _find(self, address: str, local: str, packed: Address) -> View:
        prefix = prefix_of(self._prefixes, packed, packed)
        if prefix is not None:
            others = self._guests.get(prefix.network, ())
            if _ALL in others:
                return HOST
            return View(frozenset((prefix.network, *others)), site=False)
        is_own = address == local or address.startswith(_LOOPBACK)
        return HOST if is_own else STRANGER


def _share(packed: Address) -> str:
    """The /24 or /56 of an address: those in it may all be one client."""
    return packed[: 3 if len(packed) == 4 else 7].hex()


def prefixes(networks: Mapping[str, Network]) -> list[_Prefix]:
    """The prefixes of all networks, the longest first; nonsense is left out."""
    found = []
    for network in networks.values():
        for text in network.prefixes:
            try:
                one = ip_network(text, strict=False)
            except ValueError:
                continue
            if not one.is_link_local:
                first, last = int(one.network_address), int(one.broadcast_address)
                found.append(_Prefix(one.prefixlen, one.version, first, last, network.name))
    return sorted(found, reverse=True)


def prefix_of(
    known: Sequence[_Prefix], first: Address, last: Address, view: View = HOST
) -> _Prefix | None:
    """The longest prefix of a network in view that has addresses from `first` to `last`."""
    lowest, highest = int.from_bytes(first, "big"), int.from_bytes(last, "big")
    family = addresses.family(first)
    for one in known:
        overlaps = one.first <= highest and lowest <= one.last
        if overlaps and one.family == family and view.sees(one.network):
            return one
    return None
