"""Domains of one name: which of them answers to it, and what the others keep."""

from __future__ import annotations

from itertools import permutations

import pytest

from leasewatch.model import Domain, Nic
from tests.leasewatch.naming import MAC, Host, domain, foreign


@pytest.mark.parametrize("network", ["lab", "dmz"])
@pytest.mark.parametrize("stopped", [50, 150], ids=["older card", "newer card"])
def test_a_namesake_that_has_an_address_goes_before_one_that_may_be_stopped(
    stopped: float, network: str
) -> None:
    host = Host()
    host.run(foreign("web1", 1, 100, runs=False))
    host.lease("10.0.0.1", "web1", 1, renewed=120)
    host.run(
        foreign("web1", 1, 100, runs=False),
        foreign("web1", 2, stopped, runs=False, network=network),
    )
    assert host.addresses("web1") == ["10.0.0.1"]
    assert host.addresses("web1.lab.internal") == ["10.0.0.1"]
    assert host.verdicts("web1") == {"10.0.0.1": "published"}


def test_the_time_of_the_newer_card_is_no_start_of_the_older_one() -> None:
    host = Host()
    host.run(foreign("web1", 1, 100, runs=False))
    host.lease("10.0.0.1", "web1", 1, renewed=120)
    host.run(foreign("web1", 1, 100, runs=False), foreign("web1", 2, 500, runs=False))
    host.run(foreign("web1", 1, 100, runs=False), foreign("web1", 2, 600, runs=False))
    assert host.addresses("web1") == ["10.0.0.1"]


def test_the_newest_namesake_has_the_name_and_each_has_its_qualified_one() -> None:
    cards = [
        foreign("web1", 1, 300, runs=False),
        foreign("web1", 2, 200, runs=False, network="dmz"),
    ]
    for order in permutations(cards):
        host = Host()
        host.run(*order)
        host.lease("10.0.0.1", "web1", 1, first_seen=10)
        assert host.addresses("web1") == ["10.0.0.1"]
        newest = host.lease("10.1.0.1", "web1", 2, "dmz", first_seen=20)
        assert host.addresses("web1") == ["10.1.0.1"]
        assert host.addresses("web1.dmz.internal") == ["10.1.0.1"]
        assert host.addresses("web1.lab.internal") == ["10.0.0.1"]
        claim = host.claims("web1")["10.0.0.1"]
        assert (claim.verdict, claim.trust) == ("conflict", "owner")
        assert claim.reason.endswith("this one resolves as web1.lab.internal alone")
        host.release(newest)
        assert host.addresses("web1") == ["10.0.0.1"]
        assert host.addresses("web1.dmz.internal") is None


def test_an_address_that_comes_later_does_not_make_a_machine_the_newest() -> None:
    host = Host()
    host.run(foreign("web1", 1, runs=False), foreign("web1", 2, runs=False, network="dmz"))
    host.lease("10.0.0.1", "web1", 1)
    host.lease("10.1.0.1", "web1", 2, "dmz")
    host.neighbour("fd77::1", 1)
    host.lease("fd77::2", "web1", 1, duid="00:01")
    assert host.addresses("web1") == ["10.1.0.1"]
    assert host.addresses("web1.lab.internal") == ["fd77::2", "10.0.0.1", "fd77::1"]


def test_what_only_the_bridge_sees_is_an_address_like_any_other() -> None:
    host = Host()
    host.run(foreign("web1", 1, 100, runs=False), foreign("web1", 2, 200, runs=False))
    seen = host.neighbour("10.0.0.9", 1)
    assert host.addresses("web1") == ["10.0.0.9"]
    host.lease("10.0.0.2", "web1", 2)
    assert host.addresses("web1") == ["10.0.0.2"]
    host.forget(seen)
    assert host.addresses("web1") == ["10.0.0.2"]


def test_a_domain_that_was_just_started_is_waited_for_and_gives_way_if_nothing_comes() -> None:
    host = Host()
    other = foreign("web1", 2, runs=False)
    host.run(domain("web1", 1, started=50), other)
    host.lease("10.0.0.2", "web1", 2)
    assert host.addresses("web1") == []
    assert "another domain web1, on lab, came later" in host.claims("web1")["10.0.0.2"].reason
    host.run(foreign("web1", 1, 50, pending_until=0), other)
    assert host.addresses("web1") == ["10.0.0.2"]
    host.lease("10.0.0.1", None, 1, renewed=60)
    assert host.addresses("web1") == ["10.0.0.1"]


def test_the_domain_started_last_has_the_name() -> None:
    host = Host()
    host.run(domain("web1", 1, started=1), foreign("web1", 2, started=2))
    host.lease("10.0.0.2", "web1", 2)
    host.lease("10.0.0.1", "web1", 1)
    assert host.addresses("web1") == ["10.0.0.2"]
    assert host.verdicts("web1") == {"10.0.0.1": "conflict", "10.0.0.2": "published"}
    host.run(domain("web1", 1, started=1))
    assert host.addresses("web1") == ["10.0.0.1"]
    assert host.verdicts("web1") == {"10.0.0.1": "published", "10.0.0.2": "refused"}


def test_a_namesakes_card_at_a_leased_address_is_a_rival() -> None:
    host = Host()
    host.run(foreign("web1", 1, runs=False), foreign("web1", 2, runs=False))
    host.lease("10.0.0.1", "web1", 1)
    host.neighbour("10.0.0.1", 2)
    assert host.verdicts("web1") == {"10.0.0.1": "conflict"}


def test_namesakes_of_three_cards_share_their_name_in_turn() -> None:
    host = Host()
    two_cards = Domain(
        name="web1",
        nics=(Nic("lab", MAC(1)), Nic("dmz", MAC(2))),
        started=10,
        pending_until=0,
        runs=False,
    )
    host.run(two_cards, foreign("web1", 3, 20, runs=False, network="dmz"))
    first = host.lease("10.0.0.1", "web1", 1)
    second = host.lease("10.1.0.2", "web1", 2, "dmz")
    assert host.addresses("web1") == ["10.1.0.2", "10.0.0.1"]
    host.lease("10.1.0.3", "web1", 3, "dmz")
    assert host.addresses("web1") == ["10.1.0.3"]
    assert host.addresses("web1.lab.internal") == ["10.0.0.1"]
    assert host.addresses("web1.dmz.internal") == ["10.1.0.3"]
    host.release(first)
    host.release(second)
    assert host.addresses("web1.lab.internal") is None


def test_the_alias_of_each_namesake_answers_what_its_own_machine_does() -> None:
    host = Host()
    host.run(
        foreign("web1", 1, 10, runs=False, aliases=("web1.default",)),
        foreign("web1", 2, 20, runs=False, aliases=("Web1.Shop",), network="dmz"),
    )
    host.lease("10.0.0.1", "web1", 1)
    assert host.addresses("web1.default") == ["10.0.0.1"]
    assert host.addresses("web1.shop") is None
    host.lease("10.1.0.2", "web1", 2, "dmz")
    assert host.addresses("web1") == ["10.1.0.2"]
    assert host.addresses("web1.shop") == ["10.1.0.2"]
    assert host.addresses("web1.default") == ["10.0.0.1"]


def test_a_guest_gets_no_name_that_namesakes_share() -> None:
    host = Host()
    host.run(foreign("web1", 1, runs=False), foreign("web1", 2, runs=False))
    host.lease("10.0.0.9", "web1", 9)
    assert host.addresses("web1") is None
    host.lease("10.0.0.1", "web1", 1)
    assert host.addresses("web1") == ["10.0.0.1"]
    assert host.verdicts("web1")["10.0.0.9"] == "refused"
