"""Whose addresses the neighbour table shows: IPv6 joins domains and guests by MAC alone."""

from __future__ import annotations

import math

import msgspec
import pytest

from leasewatch.addresses import parse, text
from leasewatch.model import LeaseChange, NeighbourChange, Nic
from leasewatch.names.pending import IPV6_SECONDS
from leasewatch.names.policy import Rules
from tests.leasewatch.naming import IFINDEX, MAC, SUFFIXES, Host, domain


def test_what_the_bridge_sees_at_a_domains_mac_is_the_domains_as_it_is_used() -> None:
    host = Host()
    host.run(domain("web1", 1))
    slaac = host.neighbour("fd77::5054:ff:fe00:1", 1)
    assert host.addresses("web1") == ["fd77::5054:ff:fe00:1"]
    host.neighbour("fd77::aaaa", 1)
    host.neighbour("10.0.0.200", 1)
    assert host.addresses("web1") == ["10.0.0.200", "fd77::aaaa", "fd77::5054:ff:fe00:1"]
    host.forget(slaac)
    assert host.addresses("web1.lab.internal") == ["10.0.0.200", "fd77::aaaa"]
    claim = host.claims("web1")["fd77::aaaa"]
    assert (claim.verdict, claim.lease, claim.mac) == ("published", None, MAC(1))


def test_a_link_local_address_comes_last_and_with_the_interface_that_it_is_on() -> None:
    host = Host()
    host.run(domain("web1", 1, nics=(Nic("dmz", MAC(2)),)))
    host.lease("10.0.0.1", None, 1)
    host.neighbour("fe80::1", 1)
    host.neighbour("fd77::1", 1)
    host.neighbour("fe80::1", 2, "dmz")  # another machine's on another link, perhaps
    found = host.table["web1"][0].addresses
    assert [(text(a.address), a.ifindex) for a in found] == [
        ("10.0.0.1", 0),
        ("fd77::1", 0),
        ("fe80::1", IFINDEX["dmz"]),
        ("fe80::1", IFINDEX["lab"]),
    ]
    assert {a.ifindex for a in host.table["web1"][1].addresses} == {0, IFINDEX["lab"]}


def test_silent_addresses_come_last() -> None:
    host = Host()
    host.run(domain("web1", 1))
    host.lease("10.0.0.1", None, 1)
    host.lease("10.0.0.2", None, 1)
    host.neighbour("fe80::1", 1)
    failed = host.neighbour("10.0.0.2", None)
    assert host.addresses("web1") == ["10.0.0.1", "fe80::1", "10.0.0.2"]
    host.neighbour("10.0.0.2", 1, instead=failed)
    assert host.addresses("web1") == ["10.0.0.2", "10.0.0.1", "fe80::1"]


def test_a_dhcpv6_lease_belongs_to_the_domain_whose_mac_is_seen_there_not_to_its_duid() -> None:
    host = Host()
    host.run(domain("web1", 1), domain("db1", 2))
    host.lease("fd77::9", "web1", duid=f"00:03:00:01:{MAC(1)}")
    assert host.addresses("web1") == []
    assert host.verdicts("web1")["fd77::9"] == "refused"
    seen = host.neighbour("fd77::9", 2)
    assert host.addresses("web1") == []
    assert host.addresses("db1") == ["fd77::9"]
    claim = host.claims("db1")["fd77::9"]
    assert claim.lease is not None
    assert (claim.mac, claim.reason) == (MAC(2), f"domain db1 owns {MAC(2)}")
    host.forget(seen)
    assert host.addresses("db1") == []


@pytest.mark.parametrize("address", ["10.0.0.1", "fd77::1"])
def test_a_lease_of_the_last_run_is_this_runs_once_its_mac_is_seen_at_it(address: str) -> None:
    host = Host()
    host.lease(address, None, 1, renewed=50)
    host.run(domain("web1", 1, started=100))
    assert host.verdicts("web1")[address] == "pending"
    seen = host.neighbour(address, 1)
    assert host.addresses("web1") == [address]
    host.neighbour(address, 2, instead=seen)
    assert host.addresses("web1") == []


def test_a_domain_that_stops_takes_what_was_seen_of_it_along() -> None:
    host = Host()
    host.neighbour("fd77::1", 1)
    host.run(domain("web1", 1))
    assert host.addresses("web1") == ["fd77::1"]
    host.run()
    assert host.addresses("web1") is None
    assert list(host.policy.names_at(parse("fd77::1"))) == []


@pytest.mark.parametrize("network", ["lab", "dmz"])
def test_a_mac_is_a_domains_on_its_own_network_alone(network: str) -> None:
    host = Host()
    host.run(domain("web1", 1))
    host.neighbour("fd77::1", 1, network)
    assert host.addresses("web1") == (["fd77::1"] if network == "lab" else [])


def test_a_lease_goes_before_what_the_table_alone_knows_and_comes_back_to_it() -> None:
    host = Host()
    host.run(domain("web1", 1))
    host.neighbour("10.0.0.9", 1)
    lease = host.lease("10.0.0.9", "fedora", 1)
    assert [c.lease for c in host.claims("web1").values()] == [lease]
    assert host.addresses("fedora") == ["10.0.0.9"]
    host.release(lease)
    assert [c.lease for c in host.claims("web1").values()] == [None]
    assert host.addresses("fedora") is None


def test_a_guest_without_domain_answers_with_what_its_leases_mac_is_seen_at() -> None:
    host = Host()
    host.neighbour("fd77::1", 1)
    host.neighbour("fe80::1", 1)
    host.neighbour("fd77::2", 2)
    assert not any(host.table.values())
    lease = host.lease("10.0.0.1", "db1", 1)
    assert host.addresses("db1") == ["10.0.0.1", "fd77::1", "fe80::1"]
    assert host.verdicts("db1") == dict.fromkeys(("10.0.0.1", "fd77::1", "fe80::1"), "published")
    other = host.lease("10.0.0.2", "db2", 2)
    assert host.addresses("db2") == ["10.0.0.2", "fd77::2"]
    for gone in (lease, other):
        host.release(gone)
    assert not any(host.table.values())


def test_a_guest_that_renames_itself_takes_its_addresses_to_the_new_name() -> None:
    host = Host()
    host.neighbour("fd77::1", 1)
    host.release(host.lease("10.0.0.1", "old", 1))
    host.lease("10.0.0.1", "new", 1)
    assert host.addresses("new") == ["10.0.0.1", "fd77::1"]
    assert host.addresses("old") is None


def test_a_dhcpv6_claim_whose_mac_is_seen_goes_with_no_other_guests_ipv4_lease() -> None:
    host = Host()
    host.lease("10.0.0.1", "db1", 1)
    host.lease("fd77::9", "db1", duid="00:09")
    assert host.addresses("db1") == ["fd77::9", "10.0.0.1"]
    seen = host.neighbour("fd77::9", 9)
    assert host.addresses("db1") == ["10.0.0.1"]
    assert host.verdicts("db1") == {"10.0.0.1": "published", "fd77::9": "conflict"}
    assert "recorded MAC" in host.claims("db1")["fd77::9"].reason
    host.neighbour("fd77::9", 1, instead=seen)
    assert host.addresses("db1") == ["fd77::9", "10.0.0.1"]


@pytest.mark.parametrize("first", [1, 2], ids=["boots first", "boots last"])
@pytest.mark.parametrize("seen", ["before", "after"])
@pytest.mark.parametrize("hostname", ["clone1", "clone2", None, "stranger"])
def test_the_dhcpv6_lease_that_two_clones_share_is_the_ones_who_is_at_it(
    first: int, seen: str, hostname: str | None
) -> None:
    host = Host()
    for clone in (first, 3 - first):
        host.lease(f"10.0.0.{clone}", f"clone{clone}", clone)
    old = host.lease("fd77::9", "clone1", duid="00:04")
    if seen == "before":
        host.neighbour("fd77::9", 1)
    host.release(old)
    host.lease("fd77::9", hostname, duid="00:04")  # the server writes the newest hostname into it
    if seen == "after":
        host.neighbour("fd77::9", 1)
    assert sorted(host.addresses("clone1") or []) == ["10.0.0.1", "fd77::9"]
    assert host.addresses("clone2") == ["10.0.0.2"]
    assert host.addresses("stranger") is None


def test_a_renamed_dhcpv6_lease_joins_no_ipv4_lease_until_its_machine_is_seen() -> None:
    host = Host()
    for clone in (1, 2):
        host.lease(f"10.0.0.{clone}", f"clone{clone}", clone)
    lease = host.lease("fd77::9", "clone1", duid="00:04")
    assert host.addresses("clone1") == ["fd77::9", "10.0.0.1"]
    renamed = msgspec.structs.replace(lease, hostname="clone2")
    host.decide(host.policy.apply([LeaseChange(lease, renamed, 3, 60)]))
    assert host.addresses("clone1") == ["10.0.0.1"]
    assert host.addresses("clone2") == ["10.0.0.2"]
    host.neighbour("fd77::9", 2)
    assert host.addresses("clone2") == ["fd77::9", "10.0.0.2"]


def test_a_dhcpv6_hostname_wins_again_when_its_card_has_no_recorded_one() -> None:
    host = Host()
    recorded = host.lease("10.0.0.1", "web1", 1)
    host.lease("fd77::9", "web9", duid="00:04", first_seen=0.5)
    host.neighbour("fd77::9", 1)
    assert host.claims("web1")["fd77::9"].reason == "the hostname of its network card's lease"
    host.release(recorded)
    assert host.addresses("web9") == ["fd77::9"]
    assert host.addresses("web1") is None
    (held,) = host.policy.held()
    assert isinstance(held, LeaseChange)
    assert held.first_seen == 0.5  # the history gets the lease's own


def test_no_dhcpv6_hostname_takes_a_name_from_a_recorded_mac_on_any_network() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1)
    host.lease("10.0.0.2", None, 2)
    for number, network in ((7, "lab"), (8, "dmz")):
        host.lease(f"fd77::{number}", "web1", network=network, duid=f"00:0{number}")
        host.neighbour(f"fd77::{number}", number, network)
    host.lease("fd77::2", "web1", duid="00:02")
    host.neighbour("fd77::2", 2)
    assert host.addresses("web1") == ["10.0.0.1"]
    assert host.addresses("web1.lab.internal") == ["10.0.0.1"]
    assert host.addresses("web1.dmz.internal") == ["fd77::8"]


def test_a_dhcpv6_lease_whose_mac_the_server_recorded_is_as_strong_as_one_of_ipv4() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1)
    host.lease("fd77::2", "web1", 2, duid="00:02")
    assert host.addresses("web1") == ["fd77::2"]


def test_a_nameless_dhcpv6_lease_goes_by_the_name_of_its_macs_ipv4_lease() -> None:
    host = Host()
    host.lease("10.0.0.1", "db1", 1)
    host.lease("fd77::1", None, duid="00:01")
    assert host.addresses("db1") == ["10.0.0.1"]
    host.neighbour("fd77::1", 1)
    assert host.addresses("db1") == ["fd77::1", "10.0.0.1"]


def test_a_leased_address_at_which_another_mac_answers_is_no_longer_the_domains() -> None:
    host = Host()
    old = host.neighbour("10.0.0.1", 8, seen=0.5)  # of who had the address before
    host.run(domain("web1", 1))
    host.lease("10.0.0.1", None, 1)
    assert host.addresses("web1") == ["10.0.0.1"]
    seen = host.neighbour("10.0.0.1", 8, instead=old)
    assert host.addresses("web1") == []
    assert host.verdicts("web1")["10.0.0.1"] == "conflict"
    assert MAC(8) in host.claims("web1")["10.0.0.1"].reason
    host.neighbour("10.0.0.1", 1, instead=seen)
    assert host.addresses("web1") == ["10.0.0.1"]


def test_the_other_card_of_the_same_domain_is_no_rival() -> None:
    host = Host()
    host.run(domain("web1", 1, 2))
    host.lease("10.0.0.1", None, 1)
    host.neighbour("10.0.0.1", 2)
    assert host.addresses("web1") == ["10.0.0.1"]


def test_a_mac_is_known_by_its_domain_or_lease_and_not_by_being_seen() -> None:
    host = Host()
    host.neighbour("fd77::1", 1)
    assert not host.policy.knows("lab", MAC(1))
    host.lease("10.0.0.1", None, 1)
    host.run(domain("web1", 2))
    known = [(net, mac) for net in SUFFIXES for mac in (1, 2) if host.policy.knows(net, MAC(mac))]
    assert known == [("lab", 1), ("lab", 2)]


@pytest.mark.parametrize(
    ("held", "until", "awaited"),
    [
        ((), 5000, (4, 6)),
        (("fd77::1",), 5000, (4,)),
        (("fe80::1",), 5000, (4, 6)),
        (("10.0.0.1",), 100 + IPV6_SECONDS, (6,)),
        (("10.0.0.1", "fe80::1"), 100 + IPV6_SECONDS, (6,)),
        (("10.0.0.1", "fd77::1"), 0, ()),
    ],
)
def test_a_domain_that_has_just_started_awaits_what_its_network_may_still_bring(
    held: tuple[str, ...], until: int, awaited: tuple[int, ...]
) -> None:
    host = Host(ipv6=frozenset({"lab"}))
    host.run(domain("web1", 1))
    for address in held:
        if ":" in address:
            host.neighbour(address, 1)
        else:
            host.lease(address, None, 1, renewed=100)
    record = host.table["web1"][0]
    assert tuple(text(a.address) for a in record.addresses) == held
    assert record.pending_until == until
    assert list(record.awaited) == list(awaited)
    assert "web1.lab.internal" in record.names


def test_ipv6_is_awaited_only_once_the_network_has_it() -> None:
    host = Host()
    host.run(domain("web1", 1))
    assert list(host.table["web1"][0].awaited) == [4]
    host.decide(host.policy.set_rules(Rules(suffixes=SUFFIXES, ipv6=frozenset({"lab"}))))
    assert list(host.table["web1"][0].awaited) == [4, 6]


def test_a_domain_long_started_awaits_nothing_beyond_its_time() -> None:
    host = Host(ipv6=frozenset({"lab"}))
    host.run(domain("web1", 1))
    host.lease("10.0.0.1", None, 1, renewed=math.inf)
    assert host.table["web1"][0].pending_until == 5000


def test_an_unknown_neighbour_is_decided_again_once_its_mac_is_known() -> None:
    host = Host()
    host.lease("10.0.0.1", "web1", 1)
    known = host.neighbour("fd77::1", 1)
    unknown = msgspec.structs.replace(known, known=False)

    def held() -> list[str]:
        held = (h.new if isinstance(h, LeaseChange) else h for h in host.policy.held())
        return [text(there.address) for there in held if there is not None]

    assert host.policy.apply_neighbours([NeighbourChange(known, unknown)]) == {"web1"}
    assert held() == ["10.0.0.1"]
    assert host.policy.apply_neighbours([NeighbourChange(unknown, known)]) == {"web1"}
    assert held() == ["10.0.0.1", "fd77::1"]
