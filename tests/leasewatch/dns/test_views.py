"""Who sees which names."""

from __future__ import annotations

import pytest

from leasewatch.dns.asking import Asker
from tests.leasewatch.dns.naming import HOST, Asked, record, table

LAB = Asker("10.77.0.20", 4000, "10.77.0.1", is_tcp=False)
LAB6 = Asker("fd00:77::20", 4000, "fd00:77::1", is_tcp=False)
BRIDGE = Asker("10.77.0.1", 4000, "127.0.0.1", is_tcp=False)
DMZ = Asker("10.78.0.65", 4000, "127.0.0.1", is_tcp=False)
LAN = Asker("192.168.1.9", 4000, "192.168.1.5", is_tcp=False)
OWN = Asker("192.168.1.5", 4000, "192.168.1.5", is_tcp=False)
NAMES = ("web1", "web1.lab.internal", "db", "db.dmz.internal", "far.big.example.test")
PTRS = ("5.0.77.10.in-addr.arpa", "70.0.78.10.in-addr.arpa", "4.3.81.10.in-addr.arpa")


def seen(asker: Asker, guests: dict[str, list[str]] | None = None) -> set[str]:
    """The names that have an answer; the others must look as if nobody had them."""
    asked = Asked(table(), guests)
    found = {name: asked.find(name, "A", asker) for name in NAMES}
    found |= {name: asked.find(name, "PTR", asker) for name in PTRS}
    assert {answer for answer in found.values() if isinstance(answer, str)} <= {"REFUSED"}
    return {name for name, answer in found.items() if isinstance(answer, list)}


@pytest.mark.parametrize("asker", [HOST, OWN, Asker("::1", 1, "::1", is_tcp=True)])
def test_the_host_itself_sees_every_name(asker: Asker) -> None:
    assert seen(asker) == {*NAMES, *PTRS}


@pytest.mark.parametrize("asker", [LAB, LAB6, BRIDGE])
def test_a_guest_sees_its_own_network_alone(asker: Asker) -> None:
    assert seen(asker) == {"web1", "web1.lab.internal", PTRS[0]}


def test_a_guest_sees_the_networks_that_the_owner_allows() -> None:
    allowed = {"lab": ["dmz"]}
    assert seen(LAB, allowed) == {*NAMES[:4], *PTRS[:2]}
    assert seen(DMZ, allowed) == {*NAMES[2:4], PTRS[1]}
    assert seen(LAB, {"lab": ["*"]}) == {*NAMES, *PTRS}


def test_a_stranger_sees_no_name_of_this_host() -> None:
    assert seen(LAN) == set()
    assert Asked(table()).find("nobody.lab.internal", "A", LAN) == "REFUSED"


def test_a_name_on_two_networks_has_the_addresses_in_view() -> None:
    asked = Asked(table(), {"big": ["lab", "dmz"]})
    assert asked.find("two", "A", LAB) == ["10.77.0.9"]
    assert asked.find("two", "A", DMZ) == ["10.78.0.79"]
    both = ["10.77.0.9", "10.78.0.79"]
    assert asked.find("two", "A", Asker("10.80.0.9", 1, "127.0.0.1", is_tcp=False)) == both


def test_a_prepared_reply_is_for_its_view_alone() -> None:
    asked = Asked(table())
    for _ in range(2):
        assert asked.find("db", "A", HOST) == ["10.78.0.70"]
        assert asked.find("db", "A", LAB) == "REFUSED"


def test_a_pending_name_of_another_network_is_unknown() -> None:
    asked = Asked(table())
    pending = record("new", "new.dmz.internal", pending=int(asked.now) + 20)
    asked.set("new", pending)
    assert asked.find("new", "A", LAB) == "REFUSED"
