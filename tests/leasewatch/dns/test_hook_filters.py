"""For which names systemd-resolved asks."""

from __future__ import annotations

import socket

import pytest

from leasewatch.dns.hook_filters import BARE_NAMES, Zones, networks, reverse_zones
from leasewatch.names.on_link import Prefix


def prefix(text: str) -> Prefix:
    address, _, length = text.partition("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.inet_pton(family, address), int(length)


def test_bare_names_have_one_label_and_the_root_has_none() -> None:
    assert (BARE_NAMES.filterLabelsMin, BARE_NAMES.filterLabelsMax) == (1, 1)
    assert BARE_NAMES.filterDomains is None


def test_nothing_of_ours_switches_the_other_filter_off() -> None:
    assert Zones().filter().filterDomains == []


def test_all_domains_are_listed_once_and_in_order() -> None:
    zones = Zones(
        networks=networks({"lab": "internal", "DMZ": "home.arpa", "a_b": "internal"}),
        reverse=frozenset({"0.9.10.in-addr.arpa"}),
        dotted=frozenset({"shop.example"}),
    )
    wanted = ["0.9.10.in-addr.arpa", "a_b.internal", "dmz.home.arpa", "lab.internal"]
    assert zones.filter().filterDomains == [*wanted, "shop.example"]
    assert zones.is_of_a_network("x.y.lab.internal")
    assert not zones.is_of_a_network("lab.internal")


def test_a_network_in_which_no_name_can_be_is_not_listed() -> None:
    assert networks({"x" * 64: "internal", "a b": "internal", "ok": "internal"}) == {"ok.internal"}


def test_with_a_site_the_peers_addresses_may_be_anywhere() -> None:
    zones = Zones(reverse=frozenset({"0.9.10.in-addr.arpa"}), site="vm.example.org")
    assert zones.filter().filterDomains == ["in-addr.arpa", "ip6.arpa", "vm.example.org"]


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("10.77.5.1/24", "5.77.10.in-addr.arpa"),
        ("10.77.5.1/32", "1.5.77.10.in-addr.arpa"),
        ("10.77.5.1/22", "77.10.in-addr.arpa"),
        ("10.77.5.1/25", "5.77.10.in-addr.arpa"),
        ("172.16.0.1/12", "172.in-addr.arpa"),
        ("10.0.0.1/7", None),
        ("fd12:3456:789a::1/64", "0.0.0.0.a.9.8.7.6.5.4.3.2.1.d.f.ip6.arpa"),
        ("fd12:3456::1/30", "5.4.3.2.1.d.f.ip6.arpa"),
        ("2001:db8::1/3", None),
        ("fe80::1/64", None),
    ],
)
def test_a_prefix_is_in_the_smallest_reverse_zone_that_holds_it(
    text: str, zone: str | None
) -> None:
    assert reverse_zones([prefix(text)]) == ({zone} if zone else frozenset())
