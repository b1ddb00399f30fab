"""The part of the process that serves the site's name servers: transfers and NOTIFY together."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Final

import dns.message
import dns.tsig

from leasewatch.api.dns_interface import DnsStatus, Secondary, ZoneEntry
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns.notify import Notifier
from leasewatch.dns.part import Part
from leasewatch.dns.signatures import Signatures
from leasewatch.dns.transfers import Client, Got, Transfers
from leasewatch.dns.zones import Zones

_MOST: Final = 64
"""Clients of each zone that are remembered, for the status."""


class Secondaries(Part):
    """Answers who has the key of the settings, and tells who is in `notify`."""

    def __init__(
        self, settings: DnsSettings, zones: Zones, key: dns.tsig.Key, signatures: Signatures
    ) -> None:
        self._zones = zones
        targets = settings.notified()
        own = settings.zone(os.uname().nodename)
        peers = {peer.place: own for peer in settings.peers() if peer.place is not None}
        self._notifier = Notifier(targets, settings.listens(), key, zones.get, peers)
        self._transfers = Transfers(zones.get, key.name, signatures, self._was_asked)
        self._askers: dict[str, dict[str, Secondary]] = {}
        """By apex and address."""

    def start(self) -> None:
        """Follow the zones, and tell of those that there are."""
        self._zones.followers.append(self._notifier.zone_changed)
        self._notifier.start([zone for zone in self._zones.values() if zone.serial])

    async def stop(self) -> None:
        """Follow the zones no longer."""
        self._zones.followers.remove(self._notifier.zone_changed)
        self._notifier.stop()

    def respond(self, message: dns.message.Message, asker: Client) -> Iterator[bytes]:
        """The reply to a question for SOA, AXFR or IXFR, as `Transfers.respond`."""
        return self._transfers.respond(message, asker)

    def report(self, status: DnsStatus) -> None:
        """Add the zones, who asked for them, and what was sent."""
        for apex, zone in self._zones.items():
            if zone.serial:
                askers = [*self._askers.get(apex, {}).values(), *self._silent(apex)]
                entry = ZoneEntry(
                    zone=apex, serial=zone.serial, names=len(zone), secondaries=askers
                )
                status.zones.append(entry)
        status.counters.transfers += self._transfers.whole
        status.counters.transfers_incremental += self._transfers.incremental
        status.counters.notifies += self._notifier.sent

    def _silent(self, apex: str) -> list[Secondary]:
        """Who gets NOTIFY for a zone, and has never asked for it."""
        askers = self._askers.get(apex, {})
        told = {place.address for one, place in self._notifier.waiting() if one == apex}
        return [Secondary(address=address) for address in sorted(told - askers.keys())]

    def _was_asked(self, apex: str, address: str, serial: int, got: Got) -> None:
        askers = self._askers.setdefault(apex, {})
        askers.pop(address, None)
        if len(askers) >= _MOST:
            del askers[next(iter(askers))]
        askers[address] = Secondary(address=address, serial=serial, asked=time.time())
        self._notifier.asked(apex, address, serial, got)
