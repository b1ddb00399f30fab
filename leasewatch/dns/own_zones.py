"""The zones of this host, as the settings want them: HOST.vm.SITE, reverse zones, the catalog."""

from __future__ import annotations

import logging

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.daemon.dns_settings import DnsSettings, Place
from leasewatch.daemon.logs import fields
from leasewatch.dns import catalog
from leasewatch.dns.part import Part
from leasewatch.dns.site_zones import SiteZones
from leasewatch.dns.table import NameTable
from leasewatch.dns.zone import Head
from leasewatch.dns.zones import Zones

log = logging.getLogger(__name__)


class OwnZones(Part):
    """Keeps them equal to the table. Nothing of them is served before the table is known."""

    def __init__(
        self, settings: DnsSettings, hostname: str, zones: Zones, table: NameTable
    ) -> None:
        """The settings have a site; `hostname` is the system's."""
        self._settings = settings
        self._zones = zones
        self._table = table
        self._site = SiteZones(settings.zone(hostname), settings.reverse)
        self._is_known = False
        """Whether the table has been read once."""

    async def stop(self) -> None:
        """Change nothing any more."""
        self._zones.close()

    def table_changed(self, names: set[str]) -> None:
        """Give the zones what the table has now."""
        if self._is_known:
            changes = self._site.changes(self._table, names, self._zones)
        else:
            self._is_known = True
            for apex in self._apexes():
                self._zones.add(apex, site_head(self._settings))
            changes = self._site.everything(self._table, self._zones)
            self._set_catalog()
        for apex, wanted in changes.items():
            self._zones.change(apex, wanted)

    def _apexes(self) -> list[str]:
        """Of this host's zones, without the catalog."""
        return [self._site.apex, *self._site.reverse]

    def _set_catalog(self) -> None:
        if not self._settings.catalog:
            return
        primaries = self._primaries()
        known = self._zones.state.members()
        members = catalog.update(known, primaries.keys())
        if members != known:
            try:
                self._zones.state.store_members(members)
            except OSError as error:
                log.warning("members of the catalog not stored %s", fields(error=error.strerror))
        apex = f"catalog.vm.{self._settings.site}"
        self._zones.add(apex, catalog.HEAD)
        self._zones.change(apex, catalog.content(members, primaries, self._settings.key))

    def _primaries(self) -> dict[str, tuple[Address, ...]]:
        """By apex of each member: where name servers find it. The peers are those of the settings.

        So the catalog never lacks a peer because we have just started: that would remove its zone.
        """
        settings = self._settings
        listens = tuple(_address(one) for one in settings.listens())
        found = dict.fromkeys(self._apexes(), tuple(one for one in listens if any(one)))
        for peer in settings.peers():
            place = (_address(peer.place),) if peer.place is not None else ()
            found[f"{peer.host}.vm.{settings.site}"] = place
        return dict.fromkeys(found, ()) if settings.catalog == "hub" else found


def site_head(settings: DnsSettings) -> Head:
    """SOA and NS of the zones that a site's host serves."""
    return Head(tuple(settings.nameservers) or ("invalid",), f"hostmaster.{settings.site}")


def _address(place: Place) -> Address:
    return addresses.parse(place.address)
