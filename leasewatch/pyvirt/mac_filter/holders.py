"""Which MAC holds which IPv4 address of a network, for the sets of its filter. Pure.

A lease counts as soon as it is read. A missing one is removed when another lease has its address or
MAC, or when the file stands still: dnsmasq rewrites it in place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from leasewatch.pyvirt.defined.network import table_name
from leasewatch.sources import dnsmasq

Pair = tuple[str, str]
"""An IPv4 address, and the MAC that may use it."""

_MAC = re.compile(rb"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
"""Of Ethernet; dnsmasq writes that of another kind of network with its number in front."""
_IPV4 = re.compile(rb"\d+\.\d+\.\d+\.\d+")
_RESERVED = re.compile(r"((?:[0-9a-f]{2}:){5}[0-9a-f]{2}),(\d+\.\d+\.\d+\.\d+)(?:,.*)?")


def reserved(text: str) -> list[Pair]:
    """The addresses in a file of `dnsmasq_conf.hosts_line`s."""
    found = (_RESERVED.fullmatch(line) for line in text.splitlines())
    return [(one[2], one[1]) for one in found if one]


class Leases:
    """The leases of a file that is rewritten while it is read. Known lines are not parsed again."""

    def __init__(self) -> None:
        self.macs: dict[str, str] = {}
        """By leased address the MAC that has it."""
        self._lines: set[bytes] = set()
        """The file's at the last `read`."""
        self._pairs: dict[bytes, Pair | None] = {}
        """By line each lease that counts, also if the file has lost it; None: it is no IPv4's."""

    def read(self, content: bytes) -> set[str]:
        """Read the file's content; returns the addresses whose holders may have changed."""
        self._lines = set(content.split(b"\n")[:-1])
        added = {line: _pair(line) for line in self._lines - self._pairs.keys()}
        pairs = dict(filter(None, added.values()))
        news = {*pairs, *pairs.values()}
        missing = self._pairs.keys() - self._lines
        changed = self._forget(
            one for one in missing if not news.isdisjoint(self._pairs[one] or ())
        )
        self._pairs |= added
        self.macs |= pairs
        return changed | pairs.keys()

    def settle(self) -> set[str]:
        """The file stands still: remove missing leases; returns the addresses that changed."""
        return self._forget(self._pairs.keys() - self._lines)

    def _forget(self, lines: Iterable[bytes]) -> set[str]:
        pairs = dict(filter(None, map(self._pairs.pop, lines)))
        for address in pairs:
            self.macs.pop(address, None)
        return set(pairs)


def _pair(line: bytes) -> Pair | None:
    """Address and MAC of an IPv4 lease, else None: nothing else may get into a command for nft."""
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
