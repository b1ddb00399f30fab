"""Keep the leased and reserved addresses of a started network in the sets of its filter.

A part of `pyvirt network run`, which reports changes of files. It never blocks for long and raises
nothing: the network keeps running without a filter.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable

from leasewatch.files import reading, run_states
from leasewatch.model import DomainState
from leasewatch.pyvirt import nft, process
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.files import NetworkFiles
from leasewatch.pyvirt.mac_filter import holders, ruleset
from nss_pyvirt.errors import UserError

_OFTEN = 0.02  # seconds between two looks at a file that changes all the time…
_SHARE = 2  # …and how many times longer than a look it waits at least
_SETTLED = 0.1  # seconds for which a file that stands still was not changed
_RETRY = 1.0  # seconds between attempts to make sets that could not be made


class HeldAddresses:
    """Call `update` at `due`, `notice` when a file may have changed, and `reset` when a set has."""

    def __init__(self, files: NetworkFiles, network: Network) -> None:
        self._files = files
        self._name = network.name
        self._leases = holders.Leases()
        self._reserved: dict[str, str] = {}
        """By address the MAC, also of a stopped domain."""
        self._partners: dict[str, frozenset[str]] = {}
        """By MAC all MACs of its domain on this network, where it has several."""
        self._read: reading.Signature | None = None
        """Signature of the lease file, if it stood still when it was read."""
        self._domains_read: list[reading.Signature | None] = []
        """The same of hosts.d and of the domains' run states."""
        self._in_kernel: dict[str, frozenset[str]] | None = None
        """What the sets hold; None: unknown."""
        self._is_unsupported = False
        """The kernel cannot filter on bridges."""
        self._retry_at = 0.0
        self._complaint = ""
        self._rested = 0.0
        """From when on the next look may begin."""
        self.due: float | None = time.monotonic()

    def notice(self) -> None:
        """Something has changed in the folders of leases and of hosts.d."""
        self._look_by(self._rested)

    def reset(self) -> None:
        """The sets may have been emptied."""
        self._in_kernel, self._is_unsupported = None, False
        self.due = self._retry_at = time.monotonic()

    def update(self, *, writer_lives: bool) -> None:
        """Bring the sets up to date with the files; while dnsmasq is dead, no lease vanishes."""
        began = time.monotonic()
        self.due = None
        changed = self._look_at_leases(writer_lives=writer_lives)
        changed |= self._look_at_domains()
        self._write(changed)
        ended = time.monotonic()
        self._rested = ended + max(_OFTEN, _SHARE * (ended - began))

    def _look_by(self, at: float) -> None:
        self.due = min(at, self.due or math.inf)

    def _look_at_leases(self, *, writer_lives: bool) -> set[str]:
        path = self._files.leases
        if reading.signature(path) == self._read:
            return set()
        try:
            found = reading.read(path)
        except OSError:
            return set()
        self._read = None
        if found.torn:
            self._look_by(time.monotonic() + _OFTEN)
            return set()
        changed = self._leases.read(found.data)
        if self._stands_still(found.signature):
            self._read = found.signature
            changed |= self._leases.settle() if writer_lives else set()
        return changed

    def _stands_still(self, *signatures: reading.Signature | None) -> bool:
        """Whether all are so old that a later change must look different; if not, look again."""
        now = time.time()
        if all(abs(now - reading.modified(one)) >= _SETTLED for one in signatures if one):
            return True
        self._look_by(time.monotonic() + _SETTLED)
        return False

    def _look_at_domains(self) -> set[str]:
        """Read reservations, and domains with several cards here; any address may have changed."""
        folders = self._files.hosts, self._files.paths.domain_runs
        signatures = list(map(reading.signature, folders))
        if signatures == self._domains_read:
            return set()
        self._domains_read = signatures if self._stands_still(*signatures) else []
        self._reserved = {}
        with contextlib.suppress(OSError):
            for entry in self._files.hosts.iterdir():
                with contextlib.suppress(OSError, UnicodeDecodeError):
                    self._reserved.update(holders.reserved(entry.read_text()))
        with contextlib.suppress(UserError):
            domains = run_states.read_all(self._files.paths.domain_runs, DomainState)
            guests = ruleset.guests(domains, self._name)
            self._partners = {mac: frozenset(one.macs) for one in guests for mac in one.macs}
        return {*self._leases.macs, *self._reserved, *(self._in_kernel or ())}

    def _write(self, changed: set[str]) -> None:
        """Change the sets; replace them if their content is unknown."""
        if self._is_unsupported or (self._in_kernel is not None and not changed):
            return
        if self._in_kernel is None and time.monotonic() < self._retry_at:
            self.due = self._retry_at
            return
        try:
            if self._in_kernel is None or not self._write_difference(self._in_kernel, changed):
                now = self._holders({*self._leases.macs, *self._reserved})
                nft.apply(ruleset.sets(self._name) + holders.whole(self._name, now))
                self._in_kernel, self._complaint = now, ""
        except (OSError, UserError) as error:  # no descriptor left, say
            self._in_kernel, self._is_unsupported = None, isinstance(error, nft.UnsupportedError)
            if self._is_unsupported:  # a domain's start reports it
                return
            self.due = self._retry_at = time.monotonic() + _RETRY
            if str(error) != self._complaint:
                process.note(f"the filter of network {self._name} lacks leases: {error}")
            self._complaint = str(error)

    def _write_difference(self, there: dict[str, frozenset[str]], changed: set[str]) -> bool:
        """Change the sets from `there`. False: somebody else has changed them."""
        now = self._holders(changed)
        before = {address: there[address] for address in changed & there.keys()}
        try:
            if script := holders.difference(self._name, before, now):
                nft.apply(script)
        except (OSError, UserError):
            return False
        for address in before:
            del there[address]
        there |= now
        return True

    def _holders(self, addresses: Iterable[str]) -> dict[str, frozenset[str]]:
        """The MACs that hold each of these addresses; an address without a holder is omitted."""
        found: dict[str, frozenset[str]] = {}
        for address in addresses:
            for mac in (self._leases.macs.get(address), self._reserved.get(address)):
                if mac:
                    mine = self._partners.get(mac, frozenset({mac}))
                    found[address] = found.get(address, frozenset()) | mine
        return found
