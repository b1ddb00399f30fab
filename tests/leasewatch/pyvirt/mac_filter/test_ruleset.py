"""Whom the filter knows, and what its table keeps; whether it stops a liar: tests/system."""

from __future__ import annotations

import re

from leasewatch.model import DomainState, Nic
from leasewatch.pyvirt.files import tap_owners
from leasewatch.pyvirt.mac_filter import ruleset
from leasewatch.pyvirt.mac_filter.frame_rules import Guest, Wire

MAC = "52:54:00:00:00:{:02x}".format
WIRE = Wire("02:00:00:00:00:01", "10.77.0.0/24", "fd12::/64", (bytes(4), bytes(16)))


def state(name: str, *nics: Nic, started: float = 1, strict: bool = True) -> DomainState:
    return DomainState(
        name=name, nics=nics, pid=1, started=started, pending_until=0, mac_filtering=strict
    )


def test_the_cards_of_a_domain_on_one_network_are_one_guest() -> None:
    web1 = state(
        "web1",
        Nic("lab", MAC(1), "pvtap0"),
        Nic("dmz", MAC(2), "pvtap1"),
        Nic("lab", MAC(3), "pvtap2"),
    )
    nested = state("nested", Nic("lab", MAC(4), "pvtap3", "10.77.0.3"), strict=False)
    assert ruleset.guests([nested, web1], "lab") == [
        Guest(("pvtap0", "pvtap2"), (MAC(1), MAC(3)), strict=True),
        Guest(("pvtap3",), (MAC(4),), strict=False),
    ]
    assert ruleset.guests([nested, web1], "dmz") == [Guest(("pvtap1",), (MAC(2),), strict=True)]
    assert ruleset.guests([nested, web1], "none") == []


def test_a_tap_whose_name_was_given_away_again_is_that_of_the_newer_domain() -> None:
    killed = state("killed", Nic("lab", MAC(1), "pvtap0"), started=1)
    web1 = state("web1", Nic("lab", MAC(2), "pvtap0"), started=2)
    for order in ([killed, web1], [web1, killed]):
        assert ruleset.guests(order, "lab") == [Guest(("pvtap0",), (MAC(2),), strict=True)]


def test_a_tap_has_one_owner_even_across_networks() -> None:
    killed = state("killed", Nic("lab", MAC(1), "pvtap0"), started=1)
    web1 = state("web1", Nic("dmz", MAC(2), "pvtap0"), Nic("lab", MAC(3)), started=2)
    for order in ([killed, web1], [web1, killed]):
        assert tap_owners(order) == {"pvtap0": (web1, web1.nics[0])}
        assert ruleset.guests(order, "lab") == []


def lines(*guests: Guest, begun: tuple[str, ...] = ()) -> list[str]:
    return ruleset.refresh("lab", WIRE, guests, begun).splitlines()


ONE = Guest(("pvtap0",), (MAC(1),), strict=True)
TWO = Guest(("pvtap1", "pvtap2"), (MAC(2), MAC(3)), strict=True)


def test_what_is_held_survives_but_for_who_begins() -> None:
    said = lines(ONE, TWO, begun=("pvtap0",))
    assert [line for line in said if line.startswith(("flush set", "delete"))] == [
        "flush set bridge pyvirt_lab of_pvtap0",
    ]


def test_each_chain_that_a_rule_goes_to_is_made() -> None:
    loose = Guest(("pvtap3",), (MAC(4),), strict=False)
    for guests in ((), (ONE,), (TWO, loose)):
        said = lines(*guests)
        made = {line.split()[4] for line in said if line.startswith("add chain")}
        rules = [line for line in said if line.startswith("add rule")]
        assert {
            target for rule in rules for target in re.findall(r"(?:goto|jump) (\w+)", rule)
        } <= made
        assert {rule.split()[4] for rule in rules} <= made
