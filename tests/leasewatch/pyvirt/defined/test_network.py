"""Definitions of networks: which make sense, and the names that follow from them."""

from __future__ import annotations

import msgspec
import pytest

from leasewatch.pyvirt.defined import network
from leasewatch.pyvirt.defined.network import Network, table_name
from nss_pyvirt.errors import UserError

LAB = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd00:1:2::/64")

GOOD = [
    {},
    {"name": "a"},
    {"name": "a" * 63},
    {"name": "web-2"},
    {"suffix": "lab.test"},
    {"subnet": "192.168.0.0/16"},
    {"subnet": "172.31.255.8/29"},
    {"subnet": "100.127.0.0/16"},
    {"subnet6": "2001:db8::/64"},
]
BAD = [
    ({"name": ""}, "network's name"),
    ({"name": "Lab"}, "network's name"),
    ({"name": "a" * 64}, "network's name"),
    ({"name": "-a"}, "network's name"),
    ({"name": "a_b"}, "network's name"),
    ({"name": "a.b"}, "network's name"),
    ({"name": "../a"}, "network's name"),
    ({"name": "12"}, "network's name"),
    ({"name": "a\n"}, "network's name"),
    ({"suffix": ""}, "no DNS suffix"),
    ({"suffix": ".internal"}, "no DNS suffix"),
    ({"suffix": "lab.7"}, "no DNS suffix"),
    ({"suffix": "local"}, '"local" is for multicast DNS'),
    ({"suffix": "a\ndhcp-script=/x"}, "no DNS suffix"),
    ({"subnet": "10.77.0.0"}, "no prefix length"),
    ({"subnet": "10.77.0.5/24"}, "host bits"),
    ({"subnet": "10.77.0.0/33"}, "no IPv4 network"),
    ({"subnet": "banana"}, "no IPv4 network"),
    ({"subnet": "fd00::/64"}, "no IPv4 network"),
    ({"subnet": "10.0.0.0/8"}, "out of range"),
    ({"subnet": "10.77.0.0/30"}, "out of range"),
    ({"subnet": "8.8.8.0/24"}, "8.8.8.0/24 is not private"),
    ({"subnet": "172.32.0.0/16"}, "not private"),
    ({"subnet": "192.167.255.0/24"}, "not private"),
    ({"subnet": "127.7.0.0/24"}, "not private"),
    ({"subnet": "239.1.0.0/24"}, "not private"),
    ({"subnet6": "fd00::/48"}, "not a /64"),
    ({"subnet6": "fe80::/64"}, "not for hosts"),
    ({"subnet6": "ff05::/64"}, "not for hosts"),
    ({"subnet6": "10.77.0.0/24"}, "no IPv6 network"),
]


OFFICE = Network(name="office", mode="bridged", bridge="br0")
BAD_BRIDGED = [
    *(({"bridge": name}, "not the name of an interface") for name in ("", ".", "..", "a/b", "a b")),
    *(({"bridge": name}, "not the name of an interface") for name in ("b" * 16, "br0\n", "b:0")),
    ({"mode": "nat"}, "mode nat has a bridge of its own"),
    ({"mode": "isolated"}, "mode isolated has a bridge of its own"),
    ({"subnet": "10.77.0.0/24"}, "subnet: guests of a bridged network"),
    ({"subnet6": "fd00:1:2::/64"}, "subnet6: guests of a bridged network"),
    ({"host_access": False}, "pyvirt adds no firewall rules"),
    ({"suffix": "local"}, '"local" is for multicast DNS'),
]


@pytest.mark.parametrize(("change", "says"), BAD_BRIDGED)
def test_a_bridged_network_has_a_bridge_and_nothing_else(change: dict[str, str], says: str) -> None:
    assert OFFICE.checked() == OFFICE
    with pytest.raises(UserError, match=says) as caught:
        msgspec.structs.replace(OFFICE, **change).checked()
    assert caught.value.hint


@pytest.mark.parametrize("change", GOOD)
def test_a_sensible_definition_passes(change: dict[str, str]) -> None:
    msgspec.structs.replace(LAB, **change).checked()


@pytest.mark.parametrize(("change", "says"), BAD)
def test_a_senseless_definition_is_refused_with_a_hint(change: dict[str, str], says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        msgspec.structs.replace(LAB, **change).checked()
    assert caught.value.hint


def test_a_wrong_subnet_is_met_with_the_right_one() -> None:
    with pytest.raises(UserError) as caught:
        msgspec.structs.replace(LAB, subnet="10.77.0.5/24").checked()
    assert caught.value.hint == "did you mean 10.77.0.0/24?"


def test_bridge_names_fit_the_kernel_and_never_meet() -> None:
    names = ["lab", "a" * 12, "a" * 13, "a" * 14, "a" * 63, "aaaaaaa-1234"]
    bridges = [network.bridge_name(name) for name in names]
    assert all(len(bridge) <= 15 for bridge in bridges)
    assert len(set(bridges)) == len(names)
    assert bridges[0] == "pv-lab"


def test_table_names_of_different_networks_differ() -> None:
    names = ["a-b", "ab", "a--b", "a-b-"]
    assert len({table_name(name) for name in names}) == len(names)


def test_a_bridge_keeps_its_mac_and_it_is_a_locally_administered_one() -> None:
    bridge = network.bridge(LAB)
    assert bridge == network.bridge(LAB)
    assert int(bridge.mac[:2], 16) & 3 == 2
    assert bridge.addresses == ("10.77.0.1/24", "fd00:1:2::1/64")
    assert bridge.mac != network.bridge(msgspec.structs.replace(LAB, name="dmz")).mac
