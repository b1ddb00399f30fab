"""The names of this host in memory."""

from __future__ import annotations

import pytest

from leasewatch.addresses import parse
from leasewatch.dns.table import NameTable, Network
from leasewatch.model import HostAddress, HostRecord, Trust

LAB, LAN = "10.77.0.5", "192.168.1.5"


def record(*names: str, at: tuple[str, ...] = (LAB,), trust: Trust = "owner") -> HostRecord:
    addresses = tuple(HostAddress(address=parse(one), expires=0, network="lab") for one in at)
    return HostRecord(names, addresses, trust)


def test_each_name_of_a_record_finds_it() -> None:
    table = NameTable()
    web1 = record("web1", "web1.lab.internal", "www")
    assert table.set("web1", (web1,))
    assert {name: table.find(name) for name in web1.names} == dict.fromkeys(web1.names, web1)
    assert table.find("web2") is None


def test_a_name_without_records_finds_nothing_any_more() -> None:
    table = NameTable()
    table.set("web1", (record("web1", "www"),))
    assert table.set("web1", ())
    assert (table.find("www"), table.names_at(parse(LAB)), len(table)) == (None, [], 0)
    assert not table.set("web1", ())


def test_the_same_records_are_no_change() -> None:
    table = NameTable()
    table.set("web1", (record("web1"),))
    assert not table.set("web1", (record("web1"),))
    assert table.set("web1", (record("web1", at=(LAN,)),))
    assert table.names_at(parse(LAB)) == []
    assert table.names_at(parse(LAN)) == ["web1"]


def test_a_name_may_move_to_another_host_before_the_first_has_lost_it() -> None:
    table = NameTable()
    table.set("a", (record("a", "www"),))
    table.set("b", (record("b", "www", at=(LAN,)),))
    table.set("a", (record("a"),))
    found = table.find("www")
    assert found is not None
    assert found.names == ("b", "www")


def test_an_address_has_owners_names_first_then_bare_ones() -> None:
    table = NameTable()
    table.set("zed", (record("zed"),))
    table.set("bob", (record("bob", trust="guest"),))
    table.set("amy", (record("amy.lab.internal"),))
    assert table.names_at(parse(LAB)) == ["zed", "amy.lab.internal", "bob"]


@pytest.mark.parametrize(("network", "below"), [("lab", "lab.vm.test"), ("dmz", "dmz.internal")])
def test_a_network_has_a_suffix(network: str, below: str) -> None:
    table = NameTable()
    table.networks["lab"] = Network("lab", "vm.test")
    assert table.suffix_of(network) == below


def test_an_address_that_two_records_share_keeps_the_other_name() -> None:
    table = NameTable()
    table.set("a", (record("a"),))
    table.set("b", (record("b"),))
    table.set("a", ())
    assert table.names_at(parse(LAB)) == ["b"]
