"""Notice what other programs remove from a started network, so that its process can repair it.

A flushed ruleset would leave guests without NAT and names without the MAC filter. It looks only
after the kernel has reported a change. A part that is lost repeatedly is repaired less and less
often.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import ip_interface
from pathlib import Path

from leasewatch.model import DomainState
from leasewatch.neighbours import kernel
from leasewatch.paths import Paths
from leasewatch.pyvirt import nft
from leasewatch.pyvirt.defined.network import Network, bridge, table_name
from leasewatch.pyvirt.files import running_domains, tap_owners
from leasewatch.pyvirt.networks.backoff import Backoff
from leasewatch.pyvirt.networks.kernel_news import BRIDGE, INET, KernelNews, Table
from nss_pyvirt.errors import UserError

FILTER = "the MAC filter"
_REST = 0.2
"""Seconds from the first reported change to the look, since changes come in groups."""
_FORWARDING = ("/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding")


class Losses:
    """What one network has lost since this was made. UserError if the kernel cannot report."""

    def __init__(self, paths: Paths, network: Network) -> None:
        self._paths = paths
        self.network = network
        """The definition as it is; its name, bridge and subnets stay."""
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
        """When to call `collect` next, monotonic seconds; None: after the next change."""
        self._heard = False

    def close(self) -> None:
        """Stop noticing."""
        self._news.close()

    def filenos(self) -> tuple[int, ...]:
        """Descriptors that become readable on a change; none while a look is due anyway."""
        return () if self._heard else self._news.filenos()

    def notice(self, now: float) -> None:
        """A descriptor of `filenos` was readable."""
        self._heard = True
        self.due = min(now + _REST, self.due or math.inf)

    def is_due(self, now: float) -> bool:
        """Whether `collect` will look."""
        return self.due is not None and now >= self.due

    def collect(self, now: float) -> list[str]:
        """Names of the lost parts, if they are to be repaired now; nothing before `due`."""
        if not self.is_due(now):
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
        if changed is None:  # too many changes at once
            there = nft.has_table(self._filter[1], "bridge")
            changed = {self._table: "gone"}
            changed |= {} if there else {self._filter: "gone"}
        # Domains that start and end change rules of the filter, but never remove the table.
        for table, losses in ((self._table, {"less", "gone"}), (self._filter, {"gone"})):
            if changed.get(table) in losses:
                self._lost.add(table)
            elif table in changed:
                self._lost.discard(table)

    def _missing(self) -> Iterator[str]:
        running = running_domains(self._paths)
        if self._table in self._lost:
            yield "nftables rules"
        if self._filter in self._lost:
            yield FILTER
        yield from missing(self.network, running)


def missing(network: Network, running: Iterable[DomainState]) -> Iterator[str]:
    """What any user can see that a started network lacks; `running`: the domains that run."""
    wanted = bridge(network)
    links = kernel.links()
    link = links.get(wanted.name)
    if network.bridge:
        if link is None:  # its taps join the next one of this name
            return
    elif link is None or not link.is_up:
        yield "the bridge"
    else:
        there = set(kernel.addresses().get(link.number, ()))
        own = map(ip_interface, wanted.addresses)
        if not {(each.packed, each.network.prefixlen) for each in own} <= there:
            yield "the bridge's addresses"
    for tap, (_, nic) in tap_owners(running).items():
        port = links.get(tap) if nic.network == network.name else None
        if port is not None and (link is None or port.master != link.number):
            yield f"the port of {tap}"
    forwards = all(Path(one).read_text().strip() != "0" for one in _FORWARDING)
    if network.mode == "nat" and not forwards:
        yield "forwarding"
