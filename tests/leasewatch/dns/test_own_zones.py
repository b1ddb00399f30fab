"""The zones of this host and its site's catalog, as the settings want them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from leasewatch import addresses
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns import catalog, wire
from leasewatch.dns.own_zones import OwnZones
from leasewatch.dns.state import State
from leasewatch.dns.table import NameTable
from leasewatch.dns.zones import Zones
from tests.leasewatch.dns import tables

SETTINGS = DnsSettings(
    site="example.org",
    listen=["10.99.0.2", "[fd00::2]:53", "0.0.0.0"],
    nameservers=["ns1.example.org", "ns2.example.org"],
    reverse=["10.77.0.0/24"],
    key="site",
)
CATALOG = "catalog.vm.example.org"
PULL = ["hostb 10.99.0.5"]


class _Host:
    def __init__(self, folder: Path) -> None:
        self.zones = Zones(State(folder), lambda: 1.8e9)
        self.table: NameTable = tables.table("lab")
        self.own = self._made()

    def start(self, **changes: object) -> None:
        self.own = self._made(**changes)
        self.own.table_changed(set())

    def _made(self, **changes: object) -> OwnZones:
        settings = msgspec.structs.replace(SETTINGS, **changes)
        return OwnZones(settings, "hosta.example.net", self.zones, self.table)

    def set(self, name: str, texts: str = "") -> None:
        self.table.set(name, tables.guest(name, texts) if texts else ())
        self.own.table_changed({name})

    def names(self, apex: str) -> dict[str, str]:
        zone = self.zones[apex]
        return {wire.text(name): _shown(zone.at(name)) for name in zone.names()}


def _shown(records: tuple[bytes, ...]) -> str:
    texts = []
    for kind, data in map(wire.data, records):
        if kind == wire.TXT:
            texts.append(data[1:].decode())
        else:
            texts.append(wire.text(data) if kind == wire.PTR else addresses.text(data))
    return " ".join(texts)


@pytest.fixture
def host(tmp_path: Path) -> _Host:
    return _Host(tmp_path)


def test_nothing_is_served_before_the_table_is_known(host: _Host) -> None:
    assert not host.zones
    host.own.table_changed(set())
    assert {*host.zones} == {"hosta.vm.example.org", "0.77.10.in-addr.arpa"}
    assert all(zone.serial for zone in host.zones.values())


def test_zones_follow_the_table_and_the_settings(host: _Host, tmp_path: Path) -> None:
    host.start()
    host.set("web1", "10.77.0.5")
    assert host.names("hosta.vm.example.org") == {"web1.lab": "10.77.0.5"}
    assert host.names("0.77.10.in-addr.arpa") == {"5": "web1.lab.hosta.vm.example.org"}
    assert host.zones["hosta.vm.example.org"].head.nameservers == (
        "ns1.example.org",
        "ns2.example.org",
    )
    other = _Host(tmp_path)
    other.table = host.table
    other.start(host="kvm7", reverse=[])
    assert {*other.zones} == {"kvm7.vm.example.org"}
    assert other.names("kvm7.vm.example.org") == {"web1.lab": "10.77.0.5"}


def test_a_batch_is_one_step(host: _Host) -> None:
    host.start()
    serial = host.zones["hosta.vm.example.org"].serial
    for n in range(9):
        host.table.set(f"web{n}", tables.guest(f"web{n}", f"10.77.0.{n}"))
    host.own.table_changed({f"web{n}" for n in range(9)})
    assert host.zones["hosta.vm.example.org"].serial == serial + 1


def test_a_catalog_of_a_hub_lists_all_zones(host: _Host) -> None:
    host.start(catalog="hub", reverse=[], pull=PULL)
    names = host.names(CATALOG)
    assert names.pop("version") == "2"
    assert {*names.values()} == {"hosta.vm.example.org", "hostb.vm.example.org"}
    assert all(name.endswith(".zones") and len(name) == 22 for name in names)
    assert host.zones[CATALOG].head.nameservers == ("invalid",)


def test_a_direct_catalog_names_each_members_primaries_and_key(host: _Host) -> None:
    host.start(catalog="direct", reverse=[], pull=PULL)
    names = host.names(CATALOG)
    ids = {shown: name for name, shown in names.items() if name.count(".") == 1}
    own, other = ids["hosta.vm.example.org"], ids["hostb.vm.example.org"]
    assert names == {
        "version": "2",
        own: "hosta.vm.example.org",
        f"p0.primaries.ext.{own}": "10.99.0.2 site",
        f"p1.primaries.ext.{own}": "site fd00::2",
        other: "hostb.vm.example.org",
        f"p0.primaries.ext.{other}": "10.99.0.5 site",
    }


def test_a_members_id_is_stable_and_new_for_one_that_came_back(tmp_path: Path) -> None:
    seen = []
    for pull in (PULL, PULL, [], PULL, PULL):
        host = _Host(tmp_path)
        host.start(catalog="hub", reverse=[], pull=pull)
        names = host.names(CATALOG)
        seen.append({shown: name for name, shown in names.items()})
    own = {ids["hosta.vm.example.org"] for ids in seen}
    other = [ids.get("hostb.vm.example.org") for ids in seen]
    assert len(own) == 1
    assert other[0] == other[1] != other[3] == other[4]
    assert other[2] is None


def test_a_broken_list_of_members_costs_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "catalog.json").write_text("{]")
    host = _Host(tmp_path)
    host.start(catalog="hub")
    assert len(caplog.records) == 1
    assert set(State(tmp_path).members()) == {"hosta.vm.example.org", "0.77.10.in-addr.arpa"}


def test_former_members_are_remembered() -> None:
    first = catalog.update({}, ["a", "b"])
    second = catalog.update(first, ["a"])
    assert second["a"] is first["a"]
    assert second["b"] == catalog.Member(first["b"].id, is_member=False)
