"""Who may answer to which name: owners, guests, conflicts, merging, and attacks."""

from __future__ import annotations

from itertools import permutations

import pytest

from leasewatch.addresses import parse, text
from leasewatch.model import LeaseChange, Nic
from leasewatch.names.policy import Rules
from tests.leasewatch.naming import MAC, SUFFIXES, Host, domain


def test_a_guest_answers_to_its_name_and_to_the_qualified_one() -> None:
    host = Host()
    host.lease("10.0.0.1", "Web1", 1)
    assert host.table["web1"][0].names == ("web1", "web1.lab.internal")
    assert host.addresses("web1") == ["10.0.0.1"]
    assert host.verdicts("web1") == {"10.0.0.1": "published"}


def test_in_a_site_a_guest_answers_below_its_networks_label_and_an_owners_name_without_it() -> None:
    host = Host(zone="hosta.vm.example.org")
    host.lease("10.0.0.1", "web1", 1)
    host.lease("10.0.0.2", None, 2)
    host.run(domain("db", 2))
    guest = ("web1", "web1.lab.internal", "web1.lab.hosta.vm.example.org")
    assert host.table["web1"][0].names == guest
    owners = ("db", "db.hosta.vm.example.org", "db.lab.internal", "db.lab.hosta.vm.example.org")
    assert host.table["db"][0].names == owners


def test_in_a_site_a_guest_on_two_networks_answers_below_both_labels() -> None:
    host = Host(zone="hosta.vm.example.org")
    host.lease("10.0.0.1", "web1", 1)
    host.lease("10.1.0.1", "web1", 2, "dmz")
    names = [name for record in host.table["web1"] for name in record.names]
    assert sorted(name for name in names if name.endswith(".vm.example.org")) == [
        "web1.dmz.hosta.vm.example.org",
        "web1.lab.hosta.vm.example.org",
    ]


def test_in_a_site_no_two_names_collide_and_a_domains_comes_first() -> None:
    host = Host(zone="hosta.vm.example.org")
    host.lease("10.0.0.2", None, 2)
    host.run(domain("web1.lab", 2))
    host.lease("10.0.0.1", "web1", 1)
    assert host.table["web1"][0].names == ("web1", "web1.lab.internal")
    assert not {n for r in host.table["web1.lab"] for n in r.names} & {
        "web1.lab.hosta.vm.example.org"
    }


def test_a_domain_is_found_by_its_mac_not_by_the_guests_hostname() -> None:
    host = Host()
    host.lease("10.0.0.1", "fedora", 1)
    host.run(domain("web1", 1))
    assert host.addresses("web1") == ["10.0.0.1"]
    assert host.table["web1"][0].trust == "owner"
    assert host.addresses("fedora") == ["10.0.0.1"]
    assert host.table["fedora"][0].trust == "guest"


def test_a_domain_that_stops_answers_no_longer_and_its_guest_name_is_not_inherited() -> None:
    host = Host(defined=frozenset({"web1"}))
    host.lease("10.0.0.1", "web1", 1)
    assert host.addresses("web1") is None
    host.run(domain("web1", 1))
    assert host.addresses("web1") == ["10.0.0.1"]
    host.run()
    assert host.addresses("web1") is None
    assert "has ended" in host.claims("web1")["10.0.0.1"].reason


def test_a_started_domain_without_a_lease_is_pending_under_all_its_names() -> None:
    host = Host()
    host.run(domain("web1", 1))
    (record,) = host.table["web1"]
    assert record.names == ("web1", "web1.lab.internal")
    assert (record.addresses, record.pending_until) == ((), 5000)
    assert host.verdicts("web1") == {None: "pending"}
    lease = host.lease("10.0.0.1", None, 1)
    assert host.table["web1"][0].pending_until == 0
    host.release(lease)
    assert host.table["web1"][0].pending_until == 5000


def test_a_domain_made_again_under_its_name_is_the_new_one() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1)
    host.run(domain("web1", 1))
    host.lease("10.0.0.2", "web1", 2)
    host.run(domain("web1", 2, started=2))
    assert host.addresses("web1") == ["10.0.0.2"]
    assert host.verdicts("web1") == {"10.0.0.1": "refused", "10.0.0.2": "published"}


def test_the_domain_started_last_has_a_shared_mac() -> None:
    host = Host()
    host.lease("10.0.0.1", None, 1)
    host.run(domain("old", 1, started=1), domain("new", 1, started=2))
    assert host.addresses("new") == ["10.0.0.1"]
    assert host.addresses("old") == []


def test_the_cards_of_a_domain_are_merged_and_each_network_has_its_own_record() -> None:
    host = Host()
    host.run(domain("web1", 1, nics=(Nic("dmz", MAC(2)),)))
    host.lease("10.0.0.1", None, 1)
    host.lease("10.1.0.1", None, 2, "dmz")
    assert host.addresses("web1") == ["10.1.0.1", "10.0.0.1"]
    assert host.addresses("web1.lab.internal") == ["10.0.0.1"]
    assert host.addresses("web1.dmz.internal") == ["10.1.0.1"]
    assert host.table["web1"][0].names == ("web1",)


def test_a_network_of_a_domain_that_has_no_lease_yet_is_pending_by_itself() -> None:
    host = Host()
    host.run(domain("web1", 1, nics=(Nic("dmz", MAC(2)),)))
    host.lease("10.0.0.1", None, 1)
    by_name = {r.names[0]: r for r in host.table["web1"]}
    assert by_name["web1"].pending_until == 0
    assert by_name["web1.dmz.internal"].pending_until == 5000


def test_the_guest_name_of_one_domains_cards_is_merged() -> None:
    host = Host()
    host.run(domain("web1", 1, nics=(Nic("dmz", MAC(2)),)))
    host.lease("10.0.0.1", "fedora", 1)
    host.lease("10.1.0.1", "fedora", 2, "dmz")
    assert host.addresses("fedora") == ["10.1.0.1", "10.0.0.1"]


def test_an_owners_name_may_hold_dots_and_underscores() -> None:
    host = Host()
    host.lease("10.0.0.1", None, 1)
    host.run(domain("Ubuntu22.04_x", 1))
    assert host.addresses("ubuntu22.04_x") == ["10.0.0.1"]
    assert host.addresses("ubuntu22.04_x.lab.internal") == ["10.0.0.1"]


def test_an_owners_name_goes_before_a_guests_qualified_one() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1)
    host.lease("10.0.0.2", None, 2)
    host.run(domain("web1.lab.internal", 2))
    assert host.addresses("web1.lab.internal") == ["10.0.0.2"]
    assert host.addresses("web1") == ["10.0.0.1"]
    host.run()
    assert host.addresses("web1.lab.internal") == ["10.0.0.1"]


@pytest.mark.parametrize("name", ["123", "0x7f", "10.0.0.1", "localhost"])
def test_a_domain_whose_name_programs_would_misread_is_refused_with_a_reason(name: str) -> None:
    host = Host()
    host.lease("10.0.0.1", None, 1)
    host.run(domain(name, 1))
    assert host.addresses(name) is None
    assert host.verdicts(name) == {"10.0.0.1": "refused"}


def test_two_guests_of_one_network_the_newest_appearance_wins_in_any_order() -> None:
    claims = [("10.0.0.1", 1, 10.0), ("10.0.0.2", 2, 30.0), ("10.0.0.3", 3, 20.0)]
    for order in permutations(claims):
        host = Host()
        for address, mac, first_seen in order:
            host.lease(address, "web1", mac, first_seen=first_seen)
        assert host.addresses("web1") == ["10.0.0.2"]
        assert host.addresses("web1.lab.internal") == ["10.0.0.2"]
        assert host.verdicts("web1") == {
            "10.0.0.1": "conflict",
            "10.0.0.2": "published",
            "10.0.0.3": "conflict",
        }


def test_a_renewal_of_the_loser_changes_nothing_and_the_winners_end_lets_it_in() -> None:
    host = Host()
    old = host.lease("10.0.0.1", "web1", 1)
    winner = host.lease("10.0.0.2", "web1", 2)
    host.decide(host.policy.apply([LeaseChange(old, old, 1, 1)]))
    assert host.addresses("web1") == ["10.0.0.2"]
    host.release(winner)
    assert host.addresses("web1") == ["10.0.0.1"]


def test_guests_of_two_networks_keep_their_qualified_names() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1)
    host.lease("10.1.0.1", "web1", 2, "dmz")
    assert host.addresses("web1") == ["10.1.0.1"]
    assert host.addresses("web1.dmz.internal") == ["10.1.0.1"]
    assert host.addresses("web1.lab.internal") == ["10.0.0.1"]
    lost = host.claims("web1")["10.0.0.1"]
    assert lost.verdict == "conflict"
    assert "web1.lab.internal alone" in lost.reason


def test_one_mac_on_two_networks_is_two_guests_unless_a_domain_owns_both() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1)
    host.lease("10.1.0.1", "web1", 1, "dmz")
    assert host.addresses("web1") == ["10.1.0.1"]


def test_on_one_network_an_ipv4_and_an_ipv6_claim_go_together() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1)
    host.lease("fd77::1", "web1", duid="00:01")
    assert host.addresses("web1") == ["fd77::1", "10.0.0.1"]
    host.lease("fd77::2", "web1", duid="00:02")
    assert host.addresses("web1") == ["fd77::2", "10.0.0.1"]
    assert host.verdicts("web1")["fd77::1"] == "conflict"


@pytest.mark.parametrize("order", list(permutations(("4", "6", "else"))))
def test_so_do_they_where_the_network_has_a_lease_file_for_each_family(
    order: tuple[str, ...],
) -> None:
    host = Host()
    for which in order:
        if which == "4":
            host.lease("10.0.0.1", "web1", 1, source="/kea/leases4.csv")
        elif which == "6":
            host.lease("fd77::1", "web1", duid="00:01", source="/kea/leases6.csv")
        else:
            host.lease("10.0.0.3", "db1", 3, source="/lib/dnsmasq.leases")
    assert sorted(host.addresses("web1") or []) == ["10.0.0.1", "fd77::1"]
    assert set(host.verdicts("web1").values()) == {"published"}


def test_a_client_id_in_two_files_of_a_network_is_one_guest() -> None:
    host = Host()
    host.lease("fd77::1", "web1", duid="00:01", source="/a")
    host.lease("fd77::2", "web1", duid="00:01", source="/b")
    host.lease("10.0.0.1", "web1", 1, source="/c")
    assert sorted(host.addresses("web1") or []) == ["10.0.0.1", "fd77::1", "fd77::2"]


def test_the_newest_claims_of_two_networks_do_not_go_together() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1, source="/a")
    host.lease("fd77::1", "web1", network="dmz", duid="00:01", source="/a")
    assert host.addresses("web1") == ["10.0.0.1"]
    assert host.addresses("web1.dmz.internal") == ["fd77::1"]


def test_addresses_come_newest_first_link_local_last_each_once_and_32_at_most() -> None:
    host = Host()
    host.run(domain("web1", *range(1, 50)))
    host.lease("169.254.1.1", None, 1)
    for n in range(2, 50):
        host.lease(f"10.0.0.{n}", None, n)
    found = host.addresses("web1")
    assert found == [f"10.0.0.{n}" for n in range(49, 17, -1)]


def test_a_link_local_ipv6_lease_without_a_scope_is_omitted() -> None:
    host = Host()
    host.lease("fe80::1", "web1", duid="00:01")
    assert host.addresses("web1") is None


def test_guest_claims_can_be_switched_off() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1)
    off = Rules(suffixes=SUFFIXES, guest_claims="off")
    host.decide(host.policy.set_rules(off))
    assert host.addresses("web1") is None
    assert host.verdicts("web1") == {"10.0.0.1": "refused"}
    host.run(domain("db1", 1))
    assert host.addresses("db1") == ["10.0.0.1"]


def test_new_suffixes_and_reserved_names_count_at_once() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1)
    host.decide(host.policy.set_rules(Rules(suffixes={"lab": "lab.test"})))
    assert host.table["web1"][0].names == ("web1", "web1.lab.lab.test")
    reserved = Rules(suffixes={"lab": "lab.test"}, reserved=frozenset({"web1"}))
    host.decide(host.policy.set_rules(reserved))
    assert host.addresses("web1") is None


def test_a_lease_without_hostname_and_domain_is_unnamed() -> None:
    host = Host()
    host.lease("10.0.0.1", None, 1)
    assert [c.verdict for c in host.policy.unnamed()] == ["unnamed"]
    assert list(host.policy.names()) == []
    host.run(domain("web1", 1))
    assert list(host.policy.unnamed()) == []


def test_names_at_an_address_put_the_owners_first() -> None:
    host = Host()
    host.lease("10.0.0.1", "fedora", 1)
    host.run(domain("web1", 1))
    assert list(host.policy.names_at(parse("10.0.0.1"))) == ["web1", "fedora"]


def test_everything_that_came_goes_without_a_trace() -> None:
    host = Host()
    leases = [host.lease(f"10.0.0.{n}", f"vm{n % 3}", n) for n in range(1, 9)]
    leases.append(host.lease("fd77::1", "vm1", duid="00:01"))
    seen = [host.neighbour(f"fd77::{n}", n) for n in range(1, 4)]
    host.run(domain("web1", 1), domain("vm2", 2))
    for lease in leases:
        host.release(lease)
    for neighbour in seen:
        host.forget(neighbour)
    host.run()
    assert not any(host.table.values())
    ledger = host.policy._ledger
    indexes = (ledger.by_name, ledger.by_card, ledger.by_address, ledger._neighbours)
    assert not any(indexes)


VICTIM = ["10.0.0.1"]
ATTACKS: list[tuple[str, dict[str, object]]] = [
    ("claims a running domain's name", {"hostname": "web1", "mac": 9}),
    ("claims it in capitals", {"hostname": "WEB1", "mac": 9}),
    ("claims it on another network", {"hostname": "web1", "mac": 9, "network": "dmz"}),
    ("sends the domain's MAC on another network", {"mac": 1, "network": "dmz"}),
    ("does both", {"hostname": "web1", "mac": 1, "network": "dmz"}),
    ("claims it by DHCPv6", {"address": "fd77::9", "hostname": "web1", "duid": "00:03:00:01"}),
    (
        "forges the domain's MAC in its DUID",
        {"address": "fd77::9", "hostname": "web1", "duid": "00:03:00:01:52:54:00:00:00:01"},
    ),
    ("sends a MAC of another hardware type", {"hostname": "web1", "mac": "06-52:54:00:00:00:01"}),
    ("claims the qualified name", {"hostname": "web1.lab.internal", "mac": 9}),
]


@pytest.mark.parametrize(("what", "fields"), ATTACKS, ids=[what for what, _ in ATTACKS])
def test_a_guest_gets_nothing_of_a_running_domain(what: str, fields: dict[str, object]) -> None:
    host = Host()
    host.run(domain("web1", 1))
    host.lease("10.0.0.1", "web1", 1)
    attacker = host.lease(**{"address": "10.0.0.9", **fields})  # type: ignore[arg-type]
    for name in ("web1", "web1.lab.internal"):
        assert host.addresses(name) == VICTIM
    everywhere = {text(a.address) for rs in host.table.values() for r in rs for a in r.addresses}
    assert everywhere == set(VICTIM)
    hostname = attacker.hostname
    if hostname is not None:
        claim = host.claims(hostname.lower())[text(attacker.address)]
        assert claim.verdict == "refused"
        assert claim.reason


@pytest.mark.parametrize(
    "hostname",
    [
        *("localhost", "LOCALHOST", "wpad", "isatap", "broadcasthost", "_gateway", "_outbound"),
        *("a.localhost", "ip6-localhost", "127", "0x7f000001", "laptop", "db1", "www.nic.ai"),
        *("-x", "x-", "a_b", "x" * 64, "web1."),
    ],
)
def test_a_guest_gets_no_name_that_means_something_else(hostname: str) -> None:
    host = Host(reserved=frozenset({"laptop"}), defined=frozenset({"db1", "web1"}))
    host.lease("10.0.0.9", hostname, 9)
    assert not any(host.table.values())
    (claim,) = host.policy.decide(hostname.lower().removesuffix(".")).claims
    assert claim.verdict == "refused"
    assert claim.reason.startswith('"')


@pytest.mark.parametrize("first", ["guest", "domain"])
def test_a_qualified_name_that_two_could_have_is_the_one_with_more_labels_of_its_own(
    first: str,
) -> None:
    host = Host()
    host.decide(host.policy.set_rules(Rules(suffixes={"c": "internal", "b.c": "internal"})))
    if first == "guest":
        host.lease("10.0.0.1", "a", 1, "b.c")
        assert host.addresses("a.b.c.internal") == ["10.0.0.1"]
    host.run(domain("a.b", 2, network="c"))
    host.lease("10.0.0.2", None, 2, "c")
    if first == "domain":
        host.lease("10.0.0.1", "a", 1, "b.c")
    assert host.addresses("a.b.c.internal") == ["10.0.0.2"]
    assert host.addresses("a") == ["10.0.0.1"]
    host.run()
    assert host.addresses("a.b.c.internal") == ["10.0.0.1"]


def test_two_networks_that_qualify_alike_cost_no_name() -> None:
    host = Host()
    host.decide(host.policy.set_rules(Rules(suffixes={"b": "c.internal", "b.c": "internal"})))
    host.lease("10.0.0.1", "x", 1, "b")
    host.lease("10.0.0.2", "x", 2, "b.c")
    assert host.addresses("x") == ["10.0.0.2"]
    names = sorted(name for record in host.table["x"] for name in record.names)
    assert names == ["x", "x.b.c.internal"]
