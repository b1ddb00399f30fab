"""Which cards the filter knows; that it stops a liar is tests/system's question."""

from __future__ import annotations

from leasewatch.model import DomainState, Nic
from leasewatch.virt import mac_filter, taps
from leasewatch.virt.mac_filter import Card

MAC = "52:54:00:00:00:{:02x}".format


def state(name: str, *nics: Nic, started: float = 1, strict: bool = True) -> DomainState:
    return DomainState(
        name=name, nics=nics, pid=1, started=started, pending_until=0, mac_filtering=strict
    )


def test_every_card_of_every_domain_counts() -> None:
    web1 = state("web1", Nic("lab", MAC(1), "pvtap0"), Nic("dmz", MAC(2), "pvtap1"))
    nested = state("nested", Nic("lab", MAC(3), "pvtap2", "10.77.0.3"), strict=False)
    assert mac_filter.cards([nested, web1]) == [
        Card("pvtap0", MAC(1), strict=True),
        Card("pvtap1", MAC(2), strict=True),
        Card("pvtap2", MAC(3), strict=False, address="10.77.0.3"),
    ]


def test_a_tap_whose_name_was_given_away_again_is_that_of_the_newer_domain() -> None:
    killed = state("killed", Nic("lab", MAC(1), "pvtap0"), started=1)
    web1 = state("web1", Nic("lab", MAC(2), "pvtap0"), started=2)
    for order in ([killed, web1], [web1, killed]):
        assert mac_filter.cards(order) == [Card("pvtap0", MAC(2), strict=True)]


def test_a_tap_has_one_owner_whatever_networks_the_two_are_on() -> None:
    killed = state("killed", Nic("lab", MAC(1), "pvtap0"), started=1)
    web1 = state("web1", Nic("dmz", MAC(2), "pvtap0"), Nic("lab", MAC(3)), started=2)
    for order in ([killed, web1], [web1, killed]):
        assert taps.owners(order) == {"pvtap0": (web1, web1.nics[0])}


def test_without_a_card_there_is_no_table() -> None:
    assert mac_filter.cards([state("web1", Nic("lab", MAC(1)))]) == []
    commands = mac_filter.install([])["nftables"]
    assert isinstance(commands, list)
    assert [list(command) for command in commands] == [["add"], ["delete"]]
