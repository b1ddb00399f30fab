"""Which MAC holds which IPv4 address of a network, for the sets of its filter. Pure.

A lease counts as soon as it is read. A missing one is removed when another lease has its address or
MAC, or when the file stands still: dnsmasq rewrites it in place.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping

from leasewatch.pyvirt.defined.network import table_name
from leasewatch.sources import dnsmasq

Pair = tuple[str, str]
"""An IPv4 address, and a MAC that may use it."""

_MAC = re.compile(rb"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
"""Of Ethernet; dnsmasq writes that of another kind of network with its number in front."""
_IPV4 = re.compile(rb"\d+\.\d+\.\d+\.\d+")
_RESERVED = re.compile(r"((?:[0-9a-f]{2}:){5}[0-9a-f]{2}),(\d+\.\d+\.\d+\.\d+)(?:,.*)?")


def reserved(text: str) -> list[Pair]:
    """The addresses in a file of `dnsmasq_conf.hosts_line`s."""
    found = (_RESERVED.fullmatch(line) for line in text.splitlines())
    return [(one[2], one[1]) for one in found if one]


class Leases:
    """The leases of a file that is rewritten while it is read. Only changed lines cost time."""

    def __init__(self) -> None:
        self._content = b""
        self._pairs: dict[bytes, Pair | None] = {}
        """The leases that count, by their line."""
        self._missing: set[bytes] = set()
        """Lines of them that the file no longer has."""
        self._macs: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """By address: each MAC, and in how many lines it has the address."""

    def macs(self, address: str) -> Iterable[str]:
        """The MACs that have leased an address."""
        return self._macs.get(address, ())

    def addresses(self) -> Iterable[str]:
        """Every leased address."""
        return self._macs

    def read(self, content: bytes) -> set[str]:
        """Read the file's content; returns the addresses whose holders may have changed."""
        before, now = (set(part.split(b"\n")) for part in _differing(self._content, content))
        self._content = content
        self._missing = self._missing - now | (before - now) & self._pairs.keys()
        added = {line: _pair(line) for line in now - self._pairs.keys() if line}
        news = {part for pair in added.values() if pair for part in pair}
        changed = self._forget(
            [m for m in self._missing if not news.isdisjoint(self._pairs[m] or ())]
        )
        for pair in filter(None, added.values()):
            self._macs[pair[0]][pair[1]] += 1
            changed.add(pair[0])
        self._pairs |= added
        return changed

    def settle(self) -> set[str]:
        """The file stands still: remove missing leases; returns the addresses that changed."""
        self._missing.difference_update(self._content.split(b"\n")[:-1])
        return self._forget(list(self._missing))

    def _forget(self, lines: Iterable[bytes]) -> set[str]:
        changed: set[str] = set()
        for line in lines:
            self._missing.discard(line)
            pair = self._pairs.pop(line)
            if pair is None:
                continue
            address, mac = pair
            changed.add(address)
            self._macs[address][mac] -= 1
            if not self._macs[address][mac]:
                del self._macs[address][mac]
            if not self._macs[address]:
                del self._macs[address]
        return changed


def _differing(old: bytes, new: bytes) -> tuple[bytes, bytes]:
    """The whole lines of each between their common beginning and their common end."""
    old, new = (one[: one.rfind(b"\n") + 1] for one in (old, new))
    shorter = min(len(old), len(new))
    same = _longest(shorter, lambda size: old[:size] == new[:size])
    first = new.rfind(b"\n", 0, same) + 1
    same = _longest(shorter - first, lambda size: old[len(old) - size :] == new[len(new) - size :])
    after = new.find(b"\n", len(new) - same) + 1 if same else len(new)
    return old[first : after - len(new) + len(old)], new[first:after]


def _longest(most: int, is_same: Callable[[int], bool]) -> int:
    """The largest size from 0 to `most` for which it is."""
    return bisect_left(range(most), 1, key=lambda size: not is_same(size + 1))


def _pair(line: bytes) -> Pair | None:
    """What is no address never gets into a command for nft."""
    lease = dnsmasq.columns(line)
    if lease is None or not lease.expires.isdigit():
        return None
    if not _MAC.fullmatch(lease.hwaddr) or not _IPV4.fullmatch(lease.address):
        return None
    return lease.address.decode(), lease.hwaddr.decode()


Holders = Mapping[str, frozenset[str]]
"""By address the MACs that may use it."""


def whole(network: str, holders: Holders) -> str:
    """The nft commands that make the two sets hold exactly these."""
    table = f"bridge {table_name(network)}"
    flush = f"flush set {table} held\nflush set {table} holders\n"
    return flush + difference(network, {}, holders)


def difference(network: str, old: Holders, new: Holders) -> str:
    """The nft commands that turn `old` into `new`; empty if they are equal."""
    table = f"bridge {table_name(network)}"
    pairs = _pairs(old), _pairs(new)
    steps = (
        ("delete", "holders", pairs[0] - pairs[1]),
        ("delete", "held", old.keys() - new.keys()),
        ("add", "held", new.keys() - old.keys()),
        ("add", "holders", pairs[1] - pairs[0]),
    )
    return "".join(
        f"{verb} element {table} {name} {{ {', '.join(sorted(members))} }}\n"
        for verb, name, members in steps
        if members
    )


def _pairs(holders: Holders) -> set[str]:
    return {f"{address} . {mac}" for address, macs in holders.items() for mac in macs}
