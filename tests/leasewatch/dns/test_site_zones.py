"""Which names the site gets, and that a change costs only what it touches."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leasewatch import addresses
from leasewatch.dns import wire
from leasewatch.dns.site_zones import SiteZones, reverse_apex
from leasewatch.dns.state import State
from leasewatch.dns.table import NameTable
from leasewatch.dns.zone import Head, Zone
from leasewatch.dns.zones import Zones
from leasewatch.model import HostRecord
from tests.leasewatch.dns import tables
from tests.leasewatch.dns.tables import guest, owner

APEX = "hosta.vm.example.org"
REVERSE = ("10.77.0.0/16", "10.77.7.0/24", "fd00:1::/64")


class _Site:
    """Zones that follow a table."""

    def __init__(self, folder: Path, table: NameTable, reverse: Iterable[str] = REVERSE) -> None:
        self.table = table
        self.site = SiteZones(APEX, reverse)
        self.zones = Zones(State(folder), lambda: 1.8e9)
        for apex in (APEX, *self.site.reverse):
            self.zones.add(apex, Head(("ns1.example.org",)))
        self.everything()

    def set(self, name: str, records: tuple[HostRecord, ...] = ()) -> None:
        self.table.set(name, records)
        for apex, wanted in self.site.changes(self.table, [name], self.zones).items():
            self.zones.change(apex, wanted)

    def everything(self) -> None:
        for apex, wanted in self.site.everything(self.table, self.zones).items():
            self.zones.change(apex, wanted)

    def content(self) -> dict[str, str]:
        return {
            f"{wire.text(name)}.{zone.apex}": " ".join(_shown(zone, name))
            for zone in self.zones.values()
            for name in zone.names()
        }

    def forward(self) -> dict[str, str]:
        names = self.content().items()
        return {name.removesuffix("." + APEX): at for name, at in names if name.endswith(APEX)}


def _shown(zone: Zone, name: bytes) -> Iterable[str]:
    for kind, data in sorted(map(wire.data, zone.at(name))):
        yield wire.text(data) if kind == wire.PTR else addresses.text(data)


@pytest.fixture
def site(tmp_path: Path) -> _Site:
    return _Site(tmp_path, tables.table("lab", "dmz"))


def test_a_guests_claim_leaves_only_below_its_networks_label(site: _Site) -> None:
    site.set("web1", guest("web1", "10.77.0.5 fd00:1::5"))
    assert site.forward() == {"web1.lab": "10.77.0.5 fd00:1::5"}


def test_an_owners_name_and_aliases_leave_bare_too(site: _Site) -> None:
    site.set("db", owner("db", "10.77.0.6", "sql", "old.sql"))
    assert site.forward() == dict.fromkeys(("db", "db.lab", "sql", "old.sql"), "10.77.0.6")
    site.set("db", owner("db", "10.77.0.6", "sql"))
    assert site.forward() == dict.fromkeys(("db", "db.lab", "sql"), "10.77.0.6")
    site.set("db")
    assert site.content() == {}


def test_an_owner_wins_a_name_that_a_guest_of_a_network_has_too(site: _Site) -> None:
    site.set("web1", guest("web1", "10.77.0.5"))
    site.set("web1.lab", owner("web1.lab", "10.77.0.9"))
    assert site.forward() == {"web1.lab": "10.77.0.9", "web1.lab.lab": "10.77.0.9"}
    assert "5.0.77.10.in-addr.arpa" not in {*site.content()}
    site.set("web1.lab")
    assert site.content() == {
        f"web1.lab.{APEX}": "10.77.0.5",
        "5.0.77.10.in-addr.arpa": f"web1.lab.{APEX}",
    }


def test_no_link_local_address_and_no_name_without_another_leaves_the_host(site: _Site) -> None:
    site.set("web1", guest("web1", "fe80::1 169.254.3.4"))
    assert site.content() == {}
    site.set("web1", guest("web1", "fe80::1 10.77.0.5"))
    assert site.forward() == {"web1.lab": "10.77.0.5"}


def test_each_network_has_its_own_answer(site: _Site) -> None:
    both = tables.record("web1 web1.lab.internal", "10.77.0.5")
    site.set("web1", both + tables.record("web1.dmz.internal", "10.78.0.5", "dmz"))
    assert site.forward() == {"web1.lab": "10.77.0.5", "web1.dmz": "10.78.0.5"}


def test_a_name_that_is_too_long_or_no_dns_name_is_left_out(site: _Site) -> None:
    long = ".".join(["x" * 63] * 3 + ["y" * 60])
    site.set(long, owner(long, "10.77.0.5"))
    site.set("a*b", owner("a*b", "10.77.0.6"))
    site.set("x" * 64, owner("x" * 64, "10.77.0.7"))
    assert site.content() == {}


def test_a_reverse_zone_has_one_name_an_address_that_resolves_back(site: _Site) -> None:
    site.set("db", owner("db", "10.77.7.6 fd00:1::6 10.99.0.1", "sql"))
    site.set("web1", guest("web1", "10.77.0.6"))
    pointers = {name: at for name, at in site.content().items() if name.endswith(".arpa")}
    nibbles = "6" + ".0" * 15 + "." + reverse_apex("fd00:1::/64")
    assert pointers == {
        "6.7.77.10.in-addr.arpa": f"db.{APEX}",
        "6.0.77.10.in-addr.arpa": f"web1.lab.{APEX}",
        nibbles: f"db.{APEX}",
    }
    assert len(site.zones["7.77.10.in-addr.arpa"]) == 1, "the smaller zone has it"


def test_an_address_that_changes_hands_points_to_its_new_holder(site: _Site) -> None:
    site.set("web1", guest("web1", "10.77.0.5"))
    site.set("db", owner("db", "10.77.0.5"))
    assert site.content()["5.0.77.10.in-addr.arpa"] == f"db.{APEX}"
    site.set("db", owner("db", "10.77.0.6"))
    assert site.content()["5.0.77.10.in-addr.arpa"] == f"web1.lab.{APEX}"


@pytest.mark.parametrize(
    ("cidr", "apex"),
    [
        ("10.0.0.0/8", "10.in-addr.arpa"),
        ("10.77.0.0/24", "0.77.10.in-addr.arpa"),
        ("fd00:1::/64", "0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa"),
        ("fd00::/12", "0.d.f.ip6.arpa"),
    ],
)
def test_a_prefix_has_its_reverse_zone(cidr: str, apex: str) -> None:
    assert reverse_apex(cidr) == apex


_NAMES = ("a", "b", "a.lab", "lab", "a.dmz.lab")
_RECORDS = st.one_of(
    st.just(()),
    st.builds(
        lambda name, at, network: (name, guest(name, at, network)),
        st.sampled_from(_NAMES[:2]),
        st.sampled_from(["10.77.0.1", "10.77.0.2 fd00:1::2", "fe80::1"]),
        st.sampled_from(["lab", "dmz", "unknown"]),
    ),
    st.builds(
        lambda name, at, network, alias: (name, owner(name, at, *alias, network=network)),
        st.sampled_from(_NAMES),
        st.sampled_from(["10.77.0.1", "10.77.7.3"]),
        st.sampled_from(["lab", "dmz", "dmz.lab"]),
        st.sampled_from([(), ("c",), ("a.dmz",)]),
    ),
    st.sampled_from(_NAMES).map(lambda name: (name, ())),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(_RECORDS, max_size=8))
def test_any_sequence_of_changes_gives_what_the_last_table_gives(
    tmp_path: Path, changes: list[tuple[str, tuple[HostRecord, ...]]]
) -> None:
    site = _Site(tmp_path / "a", tables.table("lab", "dmz"))
    for change in filter(None, changes):
        site.set(*change)
        found = site.forward()
        site.everything()
        assert site.forward() == found
    assert site.content() == _Site(tmp_path / "b", site.table).content()
