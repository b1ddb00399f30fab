"""Further names that the owner gives: what they answer, and who has one that two want."""

from __future__ import annotations

import pytest

from leasewatch.model import Domain, Nic
from leasewatch.names.aliases import merge_hosts
from leasewatch.names.policy import Rules
from tests.leasewatch.naming import MAC, SUFFIXES, Host, domain


def test_an_alias_answers_with_the_record_of_the_domain() -> None:
    host = Host()
    host.run(domain("web1", 1, aliases=("db", "DB.example")))
    assert host.table["web1"][0].names == ("web1", "web1.lab.internal", "db", "db.example")
    assert host.table["web1"][0].pending_until == 5000
    host.lease("10.0.0.1", None, 1)
    for name in ("web1", "db", "db.example"):
        assert host.addresses(name) == ["10.0.0.1"]
    assert host.addresses("db.lab.internal") is None
    assert host.policy.canonical("db") == "web1"
    host.run()
    assert host.addresses("db") is None
    assert host.policy.canonical("db") == "db"


def test_an_alias_answers_with_the_addresses_of_all_networks() -> None:
    host = Host()
    host.run(domain("web1", 1, nics=(Nic("dmz", MAC(2)),), aliases=("db",)))
    host.lease("10.0.0.1", None, 1)
    host.lease("10.1.0.1", None, 2, "dmz")
    assert host.addresses("db") == ["10.1.0.1", "10.0.0.1"]


def test_a_guest_never_gets_an_alias_and_its_claim_is_logged() -> None:
    host = Host()
    host.lease("10.0.0.9", "db", 9)
    assert host.addresses("db") == ["10.0.0.9"]
    host.run(domain("web1", 1, aliases=("db",)))
    host.lease("10.0.0.1", None, 1)
    assert host.addresses("db") == ["10.0.0.1"]
    claim = host.claims("db")["10.0.0.9"]
    assert (claim.verdict, claim.reason) == ("refused", '"db" is an alias of domain web1')
    host.run()
    assert host.addresses("db") == ["10.0.0.9"]
    defined = Rules(suffixes=SUFFIXES, defined=frozenset({"web1", "db"}))
    host.decide(host.policy.set_rules(defined))
    assert host.addresses("db") is None


def test_a_guest_that_calls_itself_by_an_alias_of_its_domain_is_refused_nothing() -> None:
    host = Host(defined=frozenset({"web1", "www"}))
    host.lease("10.0.0.1", "www", 1)
    host.lease("10.0.0.2", "www", 2)
    host.run(domain("web1", 1, aliases=("www",)))
    assert host.addresses("www") == ["10.0.0.1"]
    assert host.verdicts("www") == {"10.0.0.2": "refused"}
    assert host.verdicts("web1") == {"10.0.0.1": "published"}
    host.run()
    assert host.verdicts("www") == {"10.0.0.1": "ended", "10.0.0.2": "refused"}
    assert (
        host.claims("www")["10.0.0.1"].reason
        == "domain web1 has ended; this lease is left over from it"
    )


def test_a_domains_own_name_beats_an_alias_and_the_loss_is_logged() -> None:
    host = Host()
    web1 = domain("web1", 1, started=2, aliases=("db",))
    host.lease("10.0.0.1", None, 1)
    host.lease("10.0.0.2", None, 2)
    host.run(web1)
    assert host.addresses("db") == ["10.0.0.1"]
    host.run(web1, domain("db", 2, started=1))
    assert host.addresses("db") == ["10.0.0.2"]
    assert host.addresses("web1") == ["10.0.0.1"]
    (lost,) = [claim for claim in host.policy.decide("web1").claims if claim.name == "db"]
    assert (lost.verdict, lost.domain) == ("conflict", "web1")
    assert lost.reason == '"db" is a domain\'s own name'
    host.run(web1)
    assert host.addresses("db") == ["10.0.0.1"]


def test_aliases_that_do_not_fit_are_refused_and_the_domain_keeps_its_name() -> None:
    host = Host()
    first, second, third = (f"{c * 63}.{c * 63}.{c * 63}.{c * 61}" for c in "abc")
    host.run(domain("web1", 1, aliases=(first, second, third)))
    host.lease("10.0.0.1", None, 1)
    names = host.table["web1"][0].names
    assert names == ("web1", "web1.lab.internal", first, second)
    lost = host.claims("web1")[None]
    assert (lost.name, lost.verdict) == (third, "refused")
    assert lost.reason.endswith("take more than 512 bytes")


def test_the_newest_of_two_domains_has_a_shared_alias() -> None:
    host = Host()
    host.lease("10.0.0.1", None, 1)
    host.lease("10.0.0.2", None, 2)
    old = domain("old", 1, started=1, aliases=("db",))
    new = domain("new", 2, started=2, aliases=("db",))
    for order in ((old, new), (new, old)):
        host.run(*order)
        assert host.addresses("db") == ["10.0.0.2"]
    assert host.claims("old")[None].reason == '"db" is an alias of domain new, started later'
    host.run(old)
    assert host.addresses("db") == ["10.0.0.1"]
    assert None not in host.claims("old")


def test_an_alias_that_programs_would_misread_is_omitted_with_a_reason() -> None:
    host = Host()
    host.lease("10.0.0.1", None, 1)
    host.run(domain("web1", 1, aliases=("127.1", "a b", "web1")))
    assert host.table["web1"][0].names == ("web1", "web1.lab.internal")
    said = [c.reason for c in host.policy.decide("web1").claims if c.verdict == "refused"]
    assert said == [
        '"127.1" would be read as an address',
        '"a b" is not made of labels of letters, digits, hyphens and underscores',
    ]


def test_an_alias_goes_before_a_guests_qualified_name() -> None:
    host = Host()
    host.lease("10.0.0.9", "app", 9)
    host.lease("10.0.0.1", None, 1)
    host.run(domain("web1", 1, aliases=("app.lab.internal",)))
    assert host.addresses("app.lab.internal") == ["10.0.0.1"]
    assert host.addresses("app") == ["10.0.0.9"]
    host.run()
    assert host.addresses("app.lab.internal") == ["10.0.0.9"]


def test_an_alias_goes_before_the_qualified_name_of_a_domain_with_dots() -> None:
    host = Host()
    host.lease("10.0.0.1", None, 1)
    host.lease("10.0.0.2", None, 2)
    db = domain("db.prod", 1)
    host.run(db)
    assert host.addresses("db.prod.lab.internal") == ["10.0.0.1"]
    host.run(db, domain("web1", 2, aliases=("db.prod.lab.internal",)))
    assert host.addresses("db.prod.lab.internal") == ["10.0.0.2"]
    assert host.addresses("db.prod") == ["10.0.0.1"]
    host.run(db)
    assert host.addresses("db.prod.lab.internal") == ["10.0.0.1"]


def named(name: str, mac: int, *aliases: str, further: tuple[Nic, ...] = ()) -> Domain:
    """A network card, and `further` ones of that machine, that the owner names in the settings."""
    nics = (Nic("lab", MAC(mac)), *further)
    return Domain(name=name, aliases=aliases, nics=nics, started=0.0, pending_until=0, runs=False)


def test_a_card_that_is_no_domains_answers_to_its_owners_name_while_it_has_a_lease() -> None:
    host = Host()
    host.run(*merge_hosts([], [named("printer", 7, "scanner")]))
    host.lease("10.0.0.9", "printer", 9)
    assert host.addresses("printer") is None
    lease = host.lease("10.0.0.7", "HP4711", 7)
    assert host.addresses("printer") == host.addresses("scanner") == ["10.0.0.7"]
    assert host.verdicts("printer") == {"10.0.0.9": "refused", "10.0.0.7": "published"}
    host.lease("10.1.0.7", None, 7, "dmz")
    assert host.addresses("printer") == ["10.0.0.7"]
    host.release(lease)
    assert host.addresses("printer") is None


def test_a_domain_gets_the_names_of_its_card_as_aliases_while_it_runs() -> None:
    host = Host()
    settings = [named("db", 1, "db.example")]
    host.lease("10.0.0.1", None, 1)
    host.run(*merge_hosts([domain("vm1", 1, aliases=("web",))], settings))
    names = ("vm1", "vm1.lab.internal", "web", "db", "db.example")
    assert host.table["vm1"][0].names == names
    assert host.addresses("db") == ["10.0.0.1"]
    host.run(*merge_hosts([], settings))
    assert host.addresses("vm1") is None
    assert host.addresses("db") == ["10.0.0.1"]


def test_a_host_that_is_a_domain_gives_it_its_other_cards_but_no_other_domains() -> None:
    host = Host()
    host.lease("10.0.0.1", None, 1)
    host.lease("10.0.0.2", None, 2)
    host.lease("10.1.0.3", None, 3, "dmz")
    settings = [named("db", 1, further=(Nic("lab", MAC(2)), Nic("dmz", MAC(3))))]
    host.run(*merge_hosts([domain("vm1", 1), domain("vm2", 2)], settings))
    assert sorted(host.addresses("db") or []) == ["10.0.0.1", "10.1.0.3"]
    assert host.addresses("vm2") == ["10.0.0.2"]


@pytest.mark.parametrize(("own", "kept"), [("", "10.0.0.7"), ("10.0.0.5", "10.0.0.5")])
def test_the_address_of_a_host_is_that_of_its_domains_card_unless_that_has_one(
    own: str, kept: str
) -> None:
    vm = domain("vm1", nics=(Nic("lab", MAC(1), "tap1", own), Nic("dmz", MAC(1))))
    cards = (Nic("lab", MAC(1), address="10.0.0.7"), Nic("lab", MAC(2), address="10.0.0.8"))
    host = Domain(name="db", nics=cards, started=0, pending_until=0, runs=False)
    (found,) = merge_hosts([vm], [host])
    assert found.nics == (Nic("lab", MAC(1), "tap1", kept), Nic("dmz", MAC(1)), cards[1])
