"""A hub: serves the peers' zones again, for name servers that take every zone from one primary.

Each zone has a serial and a journal of our own. While a peer is away, its zone stays as it was;
when its names have expired, the zone is empty, so the name servers drop them at once.
"""

from __future__ import annotations

from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns import wire
from leasewatch.dns.own_zones import site_head
from leasewatch.dns.peer_zone import PeerZone
from leasewatch.dns.zones import Zones


class Hub:
    """Keeps `zones` equal to the peers' zones."""

    def __init__(self, settings: DnsSettings, zones: Zones) -> None:
        self._zones = zones
        self._head = site_head(settings)

    def changed(self, zone: PeerZone, names: set[str]) -> None:
        """A peer's zone was transferred or has expired; these names have changed."""
        served = self._zones.get(zone.apex)
        if served is None:
            if zone.soa is None:
                return  # an empty zone would remove the names from the site's name servers
            self._zones.add(zone.apex, self._head)
            names = {*zone.names}
        held = zone.names
        wanted = {wire.relative(name): [*map(wire.address, held.get(name, ()))] for name in names}
        self._zones.change(zone.apex, wanted)
