"""Who may be a neighbour on a bridge, and where a card with a known MAC may be found."""

from __future__ import annotations

import pytest

from leasewatch.addresses import parse, text
from leasewatch.neighbours.links import Link

OWN = (("10.0.0.1", 24), ("fd77::1", 64), ("fe80::ff", 64), ("2001:db8:1::1", 64), ("fd99::1", 80))


LINK = Link(ifindex=7, network="lab", addresses=tuple((parse(a), n) for a, n in OWN))


@pytest.mark.parametrize(
    "address", ["10.0.0.200", "fd77::5054:ff:fe00:1", "fe80::1", "febf::1", "fd99::2"]
)
def test_an_address_on_the_link_may_be_a_neighbour(address: str) -> None:
    assert LINK.may_hold(parse(address))


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "fd77::1", "fe80::ff"),  # the host's own
        *("8.8.8.8", "10.0.1.1", "169.254.1.1", "2606:4700::1111", "fd78::1", "fd99::1:0:0:1"),
        *("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"),
        *("::", "::1", "::ffff:10.0.0.9", "::10.0.0.9", "ff02::1"),
    ],
)
def test_no_other_address_of_the_world_may_be_one(address: str) -> None:
    assert not LINK.may_hold(parse(address))
    everything = Link(ifindex=7, network="lab", addresses=((bytes(4), 0), (bytes(16), 0)))
    assert not everything.may_hold(parse(address)) or address.startswith("fe80")


def test_a_card_is_looked_for_at_its_eui_64_addresses_of_each_64_bit_prefix() -> None:
    found = [text(g) for g in LINK.guesses("52:54:00:ab:cd:ef")]
    assert found == [
        "fe80::5054:ff:feab:cdef",
        "fd77::5054:ff:feab:cdef",
        "2001:db8:1:0:5054:ff:feab:cdef",
    ]


def test_a_link_has_ipv6_where_it_has_a_prefix_that_is_not_link_local() -> None:
    assert LINK.has_ipv6()
    assert not Link(ifindex=7, network="lab", addresses=((parse("fe80::ff"), 64),)).has_ipv6()
