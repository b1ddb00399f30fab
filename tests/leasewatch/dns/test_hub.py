"""A hub pulls the zones of other hosts, and serves them again with serials of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns.hub import Hub
from leasewatch.dns.state import State
from leasewatch.dns.zones import Zones
from tests.leasewatch.dns.here import Here, notify
from tests.leasewatch.dns.hosts import SITE, Host, in_loop, until
from tests.leasewatch.dns.transferring import axfr

APEX = f"hostb.vm.{SITE}"
SETTINGS = DnsSettings(site=SITE, catalog="hub", nameservers=[f"ns1.{SITE}"])


class Served:
    """The zones of a hub, and each serial that followers were told of."""

    def __init__(self, folder: Path) -> None:
        self.serials: list[int] = []
        self.zones = Zones(State(folder, boot="11111111-2222-3333-4444-555555555555"))
        self.zones.followers.append(lambda zone: self.serials.append(zone.serial))
        self.hub = Hub(SETTINGS, self.zones)

    def ask(self, name: str) -> list[str]:
        """The addresses that a secondary of the peer's zone has."""
        if APEX not in self.zones:
            return []
        secondary = axfr(self.zones[APEX])
        found = secondary.get_rdataset(name, "A")
        return [one.to_text() for one in found or ()]


@in_loop
async def test_a_peers_zone_is_served_again_with_the_hubs_own_serials(tmp_path: Path) -> None:
    here, served = Here(tmp_path), Served(tmp_path / "state")
    async with Host("hostb", web1__lab="10.1.0.5") as host:
        async with here.pulling(host, changed=served.hub.changed):
            await until("the zone", lambda: served.ask("web1.lab"))
            host.set({"web1__lab": "10.1.0.6", "db__lab": "10.1.0.7"})
            notify(here, host)
            await until("the change", lambda: served.ask("db.lab"))
            zone = served.zones[APEX]
            assert served.serials[0] < served.serials[1] == zone.serial
            assert zone.ixfr(served.serials[0]).kind == "steps"
            assert zone.serial != host.zone.serial
        serial = zone.serial
        await host.vanish()
        again, restarted = Here(tmp_path), Served(tmp_path / "state")
        async with again.pulling(host, changed=restarted.hub.changed):
            assert restarted.ask("db.lab")
            assert restarted.zones[APEX].serial == serial


@in_loop
async def test_a_zone_that_was_never_pulled_is_not_served_and_an_expired_one_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leasewatch.dns.peer_zone.LIFETIMES", range(1, 3))
    here, served = Here(tmp_path), Served(tmp_path / "state")
    host = Host("hostb", web1__lab="10.1.0.5")
    async with host:
        await host.vanish()
        async with here.pulling(host, changed=served.hub.changed):
            await until("the failure", lambda: here.error("hostb"))
            assert APEX not in served.zones
            await host.appear()
            await until("the zone", lambda: served.ask("web1.lab"))
            await host.vanish()
            notify(here, host)
            await until("the names to go", lambda: not served.ask("web1.lab"))
            assert served.zones[APEX].serial == served.serials[1] > served.serials[0]


@in_loop
async def test_a_peer_without_names_is_served_as_an_empty_zone(tmp_path: Path) -> None:
    here, served = Here(tmp_path), Served(tmp_path / "state")
    async with Host("hostb") as host, here.pulling(host, changed=served.hub.changed):
        await until("the zone", lambda: APEX in served.zones)
        assert served.zones[APEX].serial
