"""A bridged network that is started: guests join a bridge of the host.

No address, rule for packets, dnsmasq or setting of ours: only the MAC filter of our guests' taps.
The bridge itself is never changed.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import signal
import time
from collections.abc import Collection
from typing import Any

from leasewatch.neighbours import kernel
from leasewatch.pyvirt import ip, nft
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.files import NetworkFiles, running_domains, tap_owners
from leasewatch.pyvirt.mac_filter.apply import refresh_filter
from leasewatch.pyvirt.networks import unmanaged
from leasewatch.pyvirt.networks.arp_senders import ArpSenders
from leasewatch.pyvirt.networks.bridge import check_joined
from leasewatch.pyvirt.networks.diversions import Diversions
from leasewatch.pyvirt.networks.parent import Parent


class Bridged(Parent):
    """See the page of this file."""

    def __init__(self, files: NetworkFiles, network: Network) -> None:
        super().__init__(files, network)
        self._name = network.name
        self._senders = ArpSenders(network.bridge)

    def up(self, _: Collection[Diversions] = ()) -> None:
        """Join the bridge, which must be there, with the taps of running domains."""
        name, bridge = self._name, self._network.bridge
        check_joined(bridge)
        unmanaged.write(self._files.paths, name)
        self._files.run.mkdir(parents=True, exist_ok=True)
        self._write_state()  # the filter is that of a network with a run state
        running = running_domains(self._files.paths)
        if running:
            with contextlib.suppress(nft.UnsupportedError):  # reported when they were started
                refresh_filter(self._files.paths, [name])
        there = kernel.links()
        taps = [tap for tap in self._taps(running) if tap in there]
        if lost := [tap for tap in taps if there[tap].master != there[bridge].number]:
            ip.apply([f"link set dev {tap} master {bridge} up" for tap in lost])

    def watch(self, signals: int) -> None:
        """Repair the filter and the taps' ports until SIGTERM or SIGINT."""
        self._listen()
        while True:
            numbers = self._wait(signals)
            if signal.SIGTERM in numbers or signal.SIGINT in numbers:
                return
            now = time.monotonic()
            looks = self._losses.is_due(now)
            if self._lost(now) or signal.SIGHUP in numbers:
                self._mend()
            if looks:  # a link or the filter has changed: a domain may have started or ended
                self._listen()

    def _wait(self, signals: int) -> bytes:
        """Wait for signals or a change; returns the signals, one byte each."""
        poll = select.poll()
        senders = self._senders.filenos()
        for fileno in (signals, *self._losses.filenos(), *senders):
            poll.register(fileno, select.POLLIN)
        due = min(filter(None, (self._losses.due, self._senders.due)), default=None)
        timeout = None if due is None else max(0.0, due - time.monotonic()) * 1000
        ready = {fileno for fileno, _ in poll.poll(timeout)}
        if not ready.isdisjoint(self._losses.filenos()):
            self._losses.notice(time.monotonic())
        now = time.monotonic()
        if not ready.isdisjoint(senders) or now >= (self._senders.due or math.inf):
            self._senders.read(now)
        return os.read(signals, 64) if signals in ready else b""

    def _listen(self) -> None:
        """Listen for the ARP of the guests that run now."""
        owners = tap_owners(running_domains(self._files.paths))
        ours = {tap: nic.mac for tap, (_, nic) in owners.items() if nic.network == self._name}
        self._senders.listen(ours)

    def close(self) -> None:
        """Stop noticing changes."""
        self._senders.listen({})
        super().close()

    def _own_state(self) -> dict[str, Any]:
        return {"lease_file": "", "subnets": ()}
