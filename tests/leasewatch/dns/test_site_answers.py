"""Zones that are made for the site: who gets which answer from them."""

from __future__ import annotations

import dns.message
import pytest

from leasewatch.addresses import parse
from leasewatch.dns import wire
from leasewatch.dns.answers import Answers
from leasewatch.dns.asking import Asker
from leasewatch.dns.zone import Head, Zone
from tests.leasewatch.dns.naming import HOST, NOW, Asked, table

LAN = Asker("192.168.1.9", 4000, "192.168.1.5", is_tcp=False)
LAB = Asker("10.77.0.20", 4000, "10.77.0.1", is_tcp=False)
APEX = "hosta.vm.example.org"
REVERSE = "0.77.10.in-addr.arpa"


def zone(apex: str, records: dict[str, wire.Data]) -> Zone:
    made = Zone(apex, Head(("ns1.example.org",)))
    step = made.plan({wire.relative(name): [data] for name, data in records.items()}, NOW)
    assert step is not None
    made.apply(step)
    return made


@pytest.fixture
def asked() -> Asked:
    """A host that serves its own zone and one reverse zone to the site."""
    at = wire.address(parse("10.77.0.5"))
    name = wire.PTR, wire.absolute(f"web1.lab.{APEX}")
    zones = {
        wire.absolute(one.apex): one
        for one in (
            zone(APEX, {"web1.lab": at, "web1": at, "a.b.lab": at}),
            zone(REVERSE, {"5": name}),
        )
    }
    made = Asked(table(), {"big": ["*"]})
    made.answers = made.responder._answers = Answers(made.table, zones.get)
    made.answers.changed(made.table.records)
    return made


@pytest.mark.parametrize(
    ("name", "rdtype", "expected"),
    [
        (f"web1.lab.{APEX}", "A", ["10.77.0.5"]),
        (f"WEB1.{APEX}", "A", ["10.77.0.5"]),
        (f"web1.{APEX}", "AAAA", "NODATA"),
        (f"b.lab.{APEX}", "A", "NODATA"),
        (f"none.{APEX}", "A", "NXDOMAIN"),
        (f"x.web1.{APEX}", "A", "NXDOMAIN"),
        (APEX, "NS", ["ns1.example.org."]),
        (APEX, "A", "NODATA"),
        (f"web1.{APEX}", "ANY", ['"RFC8482" ""']),
        (f"5.{REVERSE}", "PTR", [f"web1.lab.{APEX}."]),
        (f"6.{REVERSE}", "PTR", "NXDOMAIN"),
        ("vm.example.org", "A", "REFUSED"),
        ("web1", "A", "REFUSED"),
        ("web1.lab.internal", "A", "REFUSED"),
    ],
)
def test_a_stranger_gets_the_zones_of_the_site(
    asked: Asked, name: str, rdtype: str, expected: str | list[str]
) -> None:
    assert asked.find(name, rdtype, LAN) == expected


def test_the_host_gets_both_and_its_own_name_of_an_address(asked: Asked) -> None:
    assert asked.find(f"web1.lab.{APEX}") == asked.find("web1") == ["10.77.0.5"]
    assert asked.find(f"5.{REVERSE}", "PTR") == ["web1.lab.internal."]
    assert asked.find(f"6.{REVERSE}", "PTR") == "NXDOMAIN"


def test_a_guest_gets_them_only_where_it_sees_every_network(asked: Asked) -> None:
    assert asked.find(f"web1.lab.{APEX}", "A", LAB) == "REFUSED"
    big = Asker("10.80.0.9", 4000, "127.0.0.1", is_tcp=False)
    assert asked.find(f"web1.lab.{APEX}", "A", big) == ["10.77.0.5"]


def test_a_denial_has_the_soa_of_the_zone_with_its_serial(asked: Asked) -> None:
    for asker in (HOST, LAN):
        for name in (f"none.x.{APEX}", APEX):
            (soa,) = asked.ask(dns.message.make_query(name, "AAAA"), asker).authority
            assert (soa.name.to_text(omit_final_dot=True), soa[0].serial) == (APEX, int(NOW))
