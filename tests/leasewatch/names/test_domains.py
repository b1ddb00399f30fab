"""Whose lease a domain answers with: restarts, and domains that others manage."""

from __future__ import annotations

import pytest

from leasewatch.model import Nic
from leasewatch.names.policy import Rules
from tests.leasewatch.naming import SUFFIXES, Host, domain, foreign


def test_a_domain_started_again_does_not_answer_with_the_lease_of_its_last_run() -> None:
    host = Host()
    old = host.lease("10.0.0.5", "web1", 1, renewed=50)
    host.run(domain("web1", 1, started=100))
    assert host.addresses("web1") == []
    assert host.verdicts("web1")["10.0.0.5"] == "pending"
    host.release(old)
    host.lease("10.0.0.5", "web1", 1, renewed=103, expires=2_000_100)
    assert host.addresses("web1") == ["10.0.0.5"]


@pytest.mark.parametrize(
    ("renewed", "expires"),
    [
        pytest.param(101, 2_000_000, id="the start was seen late"),
        pytest.param(50, 0, id="renewing a never-ending lease changes nothing in the file"),
    ],
)
def test_a_lease_that_may_be_of_this_run_answers(renewed: float, expires: int) -> None:
    host = Host()
    host.lease("10.0.0.5", "web1", 1, renewed=renewed, expires=expires)
    host.run(domain("web1", 1, started=100))
    assert host.addresses("web1") == ["10.0.0.5"]


def test_a_domain_seen_again_with_the_same_start_keeps_its_addresses() -> None:
    host = Host()
    host.run(domain("web1", 1, started=100))
    host.lease("10.0.0.5", "web1", 1, renewed=50)  # the clock was set back meanwhile
    host.run()
    host.run(domain("web1", 1, started=100))
    assert host.addresses("web1") == ["10.0.0.5"]


def test_what_a_domain_held_when_it_ended_is_no_refusal_but_all_else_that_claims_its_name_is() -> (
    None
):
    host = Host(defined=frozenset({"web1"}))
    host.run(domain("web1", 1))
    own = host.lease("10.0.0.1", "web1", 1)
    host.lease("10.0.0.2", "web1", 2)
    host.lease("fd00::1", "web1", duid="00:01")
    host.neighbour("fd00::1", 1)
    host.run()
    assert host.addresses("web1") is None
    assert host.verdicts("web1") == {
        "10.0.0.1": "ended",
        "10.0.0.2": "refused",
        "fd00::1": "ended",
    }
    assert (
        host.claims("web1")["10.0.0.1"].reason
        == "domain web1 has ended; this lease is left over from it"
    )
    host.release(own)
    host.lease("10.0.0.1", "web1", 1)  # whoever claims to be that card now, in the same second
    assert host.verdicts("web1")["10.0.0.1"] == "refused"


def test_what_a_domain_held_that_was_deleted_or_has_moved_away_is_no_guests() -> None:
    host = Host(defined=frozenset({"web1"}))
    host.run(domain("web1", 1))
    own = host.lease("10.0.0.1", "web1", 1)
    host.run()
    host.policy.set_rules(Rules(suffixes=SUFFIXES))
    assert host.addresses("web1") is None
    assert host.verdicts("web1") == {"10.0.0.1": "ended"}
    host.release(own)
    host.lease("10.0.0.1", "web1", 1)
    assert host.verdicts("web1")["10.0.0.1"] == "published"


def test_a_lease_of_an_ended_domain_that_is_renewed_is_refused() -> None:
    host = Host(defined=frozenset({"web1"}))
    host.run(domain("web1", 1))
    host.lease("10.0.0.1", "web1", 1)
    host.run()
    host.lease("10.0.0.1", "web1", 1, expires=2_000_100)
    assert host.verdicts("web1") == {"10.0.0.1": "refused"}


def test_the_end_of_one_run_says_nothing_of_the_leases_of_the_next() -> None:
    host = Host(defined=frozenset({"web1"}))
    host.run(domain("web1", 1, started=1))
    first = host.lease("10.0.0.1", "web1", 1, renewed=2)
    host.run()
    host.run(domain("web1", 1, started=3))
    host.release(first)
    host.lease("10.0.0.2", "web1", 1, renewed=4)
    host.run()
    assert host.verdicts("web1") == {"10.0.0.2": "ended"}


def test_leases_of_a_domain_with_an_unseen_start_answer_until_its_restart() -> None:
    host = Host()
    host.lease("10.0.0.5", "web1", 1, renewed=50)
    host.run(foreign("web1", 1, started=100, start_seen=False))
    assert host.addresses("web1") == ["10.0.0.5"]
    host.run()
    host.run(foreign("web1", 1, started=200))
    assert host.addresses("web1") == []


def test_the_cards_of_former_domains_are_forgotten_when_they_are_many() -> None:
    host = Host()
    host.lease("10.0.0.5", "web1", 1, renewed=50)
    for number in range(10_000):
        card = Nic("lab", f"52:54:00:01:{number >> 8:02x}:{number & 255:02x}")
        host.policy.set_domains([domain("web1", 1, started=100), domain("x", nics=(card,))])
    assert len(host.policy._running._started) < 6000
    assert host.verdicts("web1")["10.0.0.5"] == "pending"
    host.run(domain("web1", 1, started=100))
    assert host.verdicts("web1")["10.0.0.5"] == "pending"


def test_a_domain_that_others_manage_owns_its_name_like_one_of_ours() -> None:
    host = Host()
    host.lease("10.0.0.1", "fedora", 1)
    host.lease("10.0.0.2", "web1", 2)
    host.run(foreign("web1", 1))
    assert host.addresses("web1") == ["10.0.0.1"]
    assert host.verdicts("web1") == {"10.0.0.1": "published", "10.0.0.2": "refused"}


def test_a_domain_that_may_not_run_is_not_awaited() -> None:
    host = Host()
    host.run(foreign("web1", 1, runs=False))
    assert (host.table["web1"], host.verdicts("web1")) == ((), {})
    host.lease("10.0.0.2", "web1", 2)
    assert host.addresses("web1") is None
    assert host.claims("web1")["10.0.0.2"].reason == '"web1" is a name set by the owner'


def test_a_dhcpv6_lease_whose_mac_the_server_saw_joins_the_domain_of_that_mac() -> None:
    host = Host()
    host.run(foreign("web1", 1))
    host.lease("10.0.0.1", "a", 1)
    host.lease("fd00::1", "b", 1, duid="00:01")
    assert host.addresses("web1") == ["fd00::1", "10.0.0.1"]


def test_a_dhcpv6_lease_with_a_mac_goes_with_no_other_clients_ipv4_lease() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1)
    host.lease("fd00::2", "web1", 2, duid="00:02")
    assert host.addresses("web1") == ["fd00::2"]
    host.lease("10.0.0.2", "web1", 2)
    assert host.addresses("web1") == ["10.0.0.2", "fd00::2"]
    assert host.verdicts("web1")["10.0.0.1"] == "conflict"
