"""The zones of this host, as the settings want them: HOST.vm.SITE, reverse zones, the catalog."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.daemon.dns_settings import DnsSettings, Place
from leasewatch.daemon.logs import fields
from leasewatch.dns import catalog
from leasewatch.dns.site_zones import SiteZones
from leasewatch.dns.table import NameTable
from leasewatch.dns.zone import Head
from leasewatch.dns.zones import Zones

log = logging.getLogger(__name__)


class OwnZones:
    """Keeps them equal to the table. Nothing of them is served before the table is known."""

    def __init__(self, zones: Zones, table: NameTable) -> None:
        self._zones = zones
        self._table = table
        self._settings = DnsSettings()
        self._site: SiteZones | None = None
        self._is_known = False
        """Whether the table has been read once."""
        self._members = zones.state.members()
        self._catalog = ""
        """Its apex; empty: none."""

    def configure(self, settings: DnsSettings, hostname: str) -> None:
        """Use new settings; `hostname` is the system's."""
        former = {*self.apexes(), self._catalog} - {""}
        self._settings = settings
        apex = settings.zone(hostname)
        self._site = SiteZones(apex, settings.reverse) if apex else None
        self._catalog = f"catalog.vm.{settings.site}" if settings.catalog else ""
        for gone in former - {*self.apexes(), self._catalog}:
            self._zones.remove(gone)
        if self._is_known:
            self._set_everything()

    def apexes(self) -> list[str]:
        """Of this host's zones, without the catalog."""
        return [self._site.apex, *self._site.reverse] if self._site is not None else []

    def table_changed(self, names: Iterable[str]) -> None:
        """Decided names of the table have other records; the first call has all of them."""
        if not self._is_known:
            self._is_known = True
            self._set_everything()
        elif self._site is not None:
            for apex, wanted in self._site.changes(self._table, names, self._zones).items():
                self._zones.change(apex, wanted)

    def _set_everything(self) -> None:
        settings = self._settings
        if self._site is not None:
            for apex in self.apexes():
                self._zones.add(apex, site_head(settings))
            for apex, wanted in self._site.everything(self._table, self._zones).items():
                self._zones.change(apex, wanted)
        self._set_catalog()

    def _set_catalog(self) -> None:
        if not self._catalog:
            return
        primaries = self._primaries()
        members = catalog.update(self._members, primaries.keys())
        if members != self._members:
            self._members = members
            try:
                self._zones.state.store_members(members)
            except OSError as error:
                log.warning("members of the catalog not stored %s", fields(error=error.strerror))
        zone = self._zones.add(self._catalog, catalog.HEAD)
        content = catalog.content(members, primaries, self._settings.key)
        self._zones.change(self._catalog, {**dict.fromkeys(zone.names(), ()), **content})

    def _primaries(self) -> dict[str, tuple[Address, ...]]:
        """By apex of each member: where name servers find it. The peers are those of the settings.

        So the catalog never lacks a peer because we have just started: that would remove its zone.
        """
        settings = self._settings
        listens = tuple(_address(one) for one in settings.listens())
        found = dict.fromkeys(self.apexes(), tuple(one for one in listens if any(one)))
        for peer in settings.peers():
            place = (_address(peer.place),) if peer.place is not None else ()
            found[f"{peer.host}.vm.{settings.site}"] = place
        return dict.fromkeys(found, ()) if settings.catalog == "hub" else found


def site_head(settings: DnsSettings) -> Head:
    """SOA and NS of the zones that a site's host serves."""
    return Head(tuple(settings.nameservers) or ("invalid",), f"hostmaster.{settings.site}")


def _address(place: Place) -> Address:
    return addresses.parse(place.address)
