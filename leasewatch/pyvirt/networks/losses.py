"""What others take from a started network: noticed by the kernel's news, for its process to mend.

A flushed ruleset leaves guests without a way out and names without the MAC filter. It looks only
when there is news, and a part that is lost again and again is mended ever more seldom.
"""

from __future__ import annotations

import math
import socket
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from leasewatch.neighbours import kernel
from leasewatch.paths import Paths
from leasewatch.pyvirt import nft
from leasewatch.pyvirt.defined.network import Network, bridge, table_name
from leasewatch.pyvirt.files import running_domains
from leasewatch.pyvirt.mac_filter.ruleset import tap_owners
from leasewatch.pyvirt.networks.backoff import Backoff
from leasewatch.pyvirt.networks.kernel_news import BRIDGE, INET, KernelNews, Table
from nss_pyvirt.errors import UserError

FILTER = "the MAC filter"
_REST = 0.2
"""Seconds from news to the look at it, as changes come in numbers."""
_FORWARDING = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")


class Losses:
    """Of one network, since it was made; `close` ends it. UserError where nobody can tell."""

    def __init__(self, paths: Paths, network: Network) -> None:
        self._paths = paths
        self._network = network
        self._bridge = bridge(network)
        self._table: Table = (INET, table_name(network.name))
        self._filter: Table = (BRIDGE, table_name(network.name))
        try:
            self._news = KernelNews()
        except OSError as error:
            what = f"cannot watch for changes to network {network.name}: {error.strerror}"
            raise UserError(what, "is nf_tables in this kernel?", "missing") from error
        self._lost: set[Table] = set()
        self._attempts: defaultdict[str, Backoff] = defaultdict(Backoff)
        self._failures = Backoff()
        self.due: float | None = None
        """When to `take` next; None: when there is news."""
        self._heard = False

    def close(self) -> None:
        """Notice nothing more."""
        self._news.close()

    def filenos(self) -> tuple[int, ...]:
        """Readable once there is news; none while a look at it is due anyway."""
        return () if self._heard else self._news.filenos()

    def heard(self, now: float) -> None:
        """There is news."""
        self._heard = True
        self.due = min(now + _REST, self.due or math.inf)

    def take(self, now: float) -> list[str]:
        """All that is lost, in words, if it is to be mended now; nothing before it is `due`."""
        if self.due is None or now < self.due:
            return []
        self._heard = False
        try:
            self._read()
            missing = list(self._missing())
        except (OSError, UserError):  # no descriptor is left, say
            self._failures.attempt(now)
            self.due = self._failures.due
            return []
        mend = any(now >= self._attempts[part].due for part in missing)
        if mend:
            for part in missing:
                self._attempts[part].attempt(now)
        self.due = min((self._attempts[part].due for part in missing), default=None)
        return missing if mend else []

    def _read(self) -> None:
        changed = self._news.tables()
        if changed is None:  # too much at once; making the filter's sets anew would be as much
            there = nft.has_table(self._filter[1], "bridge")
            changed = {self._table: "gone"}
            changed |= {} if there else {self._filter: "gone"}
        # Domains that start and end change rules of the filter, but never take it away.
        for table, losses in ((self._table, {"less", "gone"}), (self._filter, {"gone"})):
            if changed.get(table) in losses:
                self._lost.add(table)
            elif table in changed:
                self._lost.discard(table)
        self._news.devices()

    def _missing(self) -> Iterator[str]:
        running = running_domains(self._paths)
        if self._table in self._lost:
            yield "nftables rules"
        if self._filter in self._lost:
            yield FILTER
        links = kernel.links()
        link = links.get(self._bridge.name)
        if link is None or not link.is_up:
            yield "the bridge"
        elif not _addresses(self._bridge.addresses) <= set(kernel.addresses().get(link.number, ())):
            yield "the bridge's addresses"
        for tap, (_, nic) in tap_owners(running).items():
            port = links.get(tap) if nic.network == self._network.name else None
            if port is not None and (link is None or port.master != link.number):
                yield f"the port of {tap}"
        if self._network.mode == "nat" and not all(map(_is_on, _FORWARDING)):
            yield "forwarding"


def _is_on(setting: str) -> bool:
    return Path(setting).read_text().strip() != "0"


def _addresses(texts: tuple[str, ...]) -> set[tuple[bytes, int]]:
    found = set()
    for text in texts:
        address, _, length = text.partition("/")
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        found.add((socket.inet_pton(family, address), int(length)))
    return found
