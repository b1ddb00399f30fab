"""Leases whose addresses are in none of the networks of their bridge: of a former one, say."""

from __future__ import annotations

import pytest

from leasewatch.addresses import parse
from leasewatch.names.policy import Rules
from tests.leasewatch.naming import SUFFIXES, Host, domain


def prefixes(*texts: str) -> tuple[tuple[bytes, int], ...]:
    pairs = (text.split("/") for text in texts)
    return tuple((parse(address), int(length)) for address, length in pairs)


def bridges(
    host: Host, *of_lab: str, dmz: tuple[str, ...] = (), unrelayed: frozenset[str] = frozenset()
) -> None:
    """What addresses the bridges have from now on."""
    there = {"lab": prefixes(*of_lab), "dmz": prefixes(*dmz)}
    rules = Rules(suffixes=SUFFIXES, prefixes=there, unrelayed=unrelayed)
    host.decide(host.policy.set_rules(rules))


LOCAL = frozenset({"lab", "dmz"})


@pytest.mark.parametrize("first", ["leases", "bridge"])
@pytest.mark.parametrize("expires", [0, 2_000_000], ids=["endless", "with an end"])
@pytest.mark.parametrize(
    ("of_bridge", "former", "present"),
    [
        (("10.0.1.1/24", "10.0.2.1/24"), "10.0.9.9", "10.0.2.7"),
        (("10.0.1.1/24", "fd77::1/64"), "fd66::9", "fd77::9"),
        (("10.0.0.1/23", "fe80::1/64"), "10.0.2.9", "10.0.1.9"),
    ],
)
def test_a_guest_of_a_former_bridge_answers_no_longer(
    of_bridge: tuple[str, ...], former: str, present: str, expires: int, first: str
) -> None:
    host = Host()
    if first == "bridge":
        bridges(host, *of_bridge, unrelayed=LOCAL)
    host.lease(former, "oldvm", 9, expires=expires)
    host.lease(present, "primary", 1)
    host.lease(former.replace("9", "8"), "primary", 1, expires=expires)  # and newer than the other
    if first == "leases":
        assert host.addresses("oldvm") == [former]
        bridges(host, *of_bridge, unrelayed=LOCAL)
    assert host.addresses("oldvm") is None
    assert host.addresses("primary") == [present]
    claim = host.claims("oldvm")[former]
    assert (claim.verdict, claim.trust) == ("refused", "guest")
    assert claim.reason == "no bridge of network lab has this address in its subnets"


def test_neither_does_a_domain_and_both_do_again_when_the_bridge_has_the_network_again() -> None:
    host = Host()
    bridges(host, "10.0.1.1/24", unrelayed=LOCAL)
    host.run(domain("web1", 1))
    host.lease("10.0.9.1", "fedora", 1)
    assert host.addresses("web1") == []
    assert host.verdicts("web1")["10.0.9.1"] == "refused"
    assert host.addresses("fedora") is None
    bridges(host, "10.0.1.1/24", "10.0.9.254/24", unrelayed=LOCAL)
    assert host.addresses("web1") == ["10.0.9.1"]
    assert host.addresses("fedora") == ["10.0.9.1"]


@pytest.mark.parametrize(
    "of_bridge",
    [
        pytest.param((), id="it is not there"),
        pytest.param(("fd77::1/64",), id="it has lost its IPv4 address"),
        pytest.param(("10.0.1.1/32",), id="its address stands alone"),
    ],
)
def test_a_bridge_that_has_no_network_of_the_family_says_nothing(
    of_bridge: tuple[str, ...],
) -> None:
    host = Host()
    host.lease("10.0.9.9", "web1", 1)
    bridges(host, *of_bridge, unrelayed=LOCAL)
    assert host.addresses("web1") == ["10.0.9.9"]


def test_a_link_local_prefix_alone_says_nothing_of_ipv6() -> None:
    host = Host()
    host.lease("fd66::9", "web1", duid="00:01")
    bridges(host, "fe80::1/64", "10.0.0.1/24", unrelayed=LOCAL)
    assert host.addresses("web1") == ["fd66::9"]


def test_where_relays_may_bring_guests_such_an_address_comes_last() -> None:
    host = Host()
    bridges(host, "10.0.1.1/24", unrelayed=frozenset({"dmz"}))
    host.lease("10.0.1.5", "web1", 1)
    host.lease("10.0.9.5", "web1", 1)
    host.lease("10.0.9.6", "web2", 2)
    failed = host.lease("10.0.1.6", "web1", 1)
    host.neighbour("10.0.1.6", None)
    assert host.addresses("web1") == ["10.0.1.5", "10.0.1.6", "10.0.9.5"]
    assert host.addresses("web2") == ["10.0.9.6"]
    host.release(failed)
    assert host.addresses("web1") == ["10.0.1.5", "10.0.9.5"]


def test_the_bridge_of_one_network_says_nothing_of_another() -> None:
    host = Host()
    bridges(host, "10.0.1.1/24", unrelayed=LOCAL)
    host.lease("10.1.9.9", "web1", 1, "dmz")
    assert host.addresses("web1") == ["10.1.9.9"]
    bridges(host, "10.0.1.1/24", dmz=("10.1.9.1/24",), unrelayed=LOCAL)
    assert host.addresses("web1") == ["10.1.9.9"]
    bridges(host, "10.1.9.1/24", dmz=("10.0.1.1/24",), unrelayed=LOCAL)
    assert host.addresses("web1") is None


def test_a_former_lease_of_a_name_does_not_win_it() -> None:
    host = Host()
    bridges(host, "10.0.1.1/24", unrelayed=LOCAL)
    host.lease("10.0.1.5", "web1", 1)
    host.lease("10.0.9.5", "web1", 2)
    assert host.addresses("web1") == ["10.0.1.5"]
    assert host.verdicts("web1") == {"10.0.1.5": "published", "10.0.9.5": "refused"}
