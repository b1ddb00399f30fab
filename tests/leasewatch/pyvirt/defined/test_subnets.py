"""Subnets: what is free, and who has what is not."""

from __future__ import annotations

import ipaddress

import pytest

from leasewatch.pyvirt.defined import subnets
from leasewatch.pyvirt.defined.subnets import Taken


def taken(*subnets_: str) -> list[Taken]:
    return [Taken(subnet, f"owner of {subnet}") for subnet in subnets_]


@pytest.mark.parametrize(
    ("used", "picked"),
    [
        ([], "10.77.0.0/24"),
        (["10.77.0.0/24", "10.77.1.128/25"], "10.77.2.0/24"),
        (["fd00::/8", "10.78.0.0/16"], "10.77.0.0/24"),
        (["0.0.0.0/1", "128.0.0.0/1"], "10.77.0.0/24"),
        (["10.0.0.0/8"], "172.29.0.0/24"),
        (["10.0.0.0/8", "172.16.0.0/12"], "192.168.128.0/24"),
    ],
)
def test_auto_picks_the_first_free_subnet(used: list[str], picked: str) -> None:
    assert next(subnets.free(taken(*used))) == picked


def test_nothing_is_free_where_all_is_taken() -> None:
    assert not list(subnets.free(taken("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


@pytest.mark.parametrize(
    ("mine", "theirs", "clash", "collision"),
    [
        ("10.77.0.0/24", "10.77.0.0/24", True, True),
        ("10.77.0.0/24", "10.77.0.64/26", True, True),
        ("10.77.0.0/24", "10.77.0.9/32", True, True),
        ("10.77.0.0/24", "10.0.0.0/8", True, False),
        ("10.77.0.0/24", "0.0.0.0/1", False, False),
        ("10.77.0.0/24", "10.77.1.0/24", False, False),
        ("fd00::/64", "fd00::/64", True, True),
        ("fd00::/64", "fd00:0:0:1::/64", False, False),
    ],
)
def test_overlap_is_a_clash_and_a_wider_route_is_no_collision(
    mine: str, theirs: str, clash: bool, collision: bool
) -> None:
    (other,) = taken(theirs)
    assert subnets.clash(mine, [other]) == (other if clash else None)
    assert subnets.clash(mine, [other], wider=False) == (other if collision else None)


def test_a_ula_has_the_shape_of_rfc_4193() -> None:
    prefix = ipaddress.IPv6Network(subnets.ula(bytes([0xAB, 1, 2, 3, 0xFF])))
    assert str(prefix) == "fdab:102:3ff::/64"


@pytest.mark.parametrize("subnet", ["10.77.0.0/29", "10.77.0.0/24", "10.77.0.0/16"])
def test_guests_get_every_address_that_is_not_the_hosts_or_special(subnet: str) -> None:
    network = ipaddress.ip_network(subnet)
    host = ipaddress.ip_interface(subnets.host_address(subnet)).ip
    first, last = map(ipaddress.ip_address, subnets.guest_range(subnet))
    assert host == network[1]
    assert (first, last) == (network[2], network[-2])


def test_ipv6_is_leased_beyond_the_hosts_own_address() -> None:
    assert subnets.guest_range6("fd00::/64", 1024) == ("fd00::100", "fd00::4ff")
    assert subnets.guest_range6("fd00::/64", 65536) == ("fd00::100", "fd00::1:ff")
