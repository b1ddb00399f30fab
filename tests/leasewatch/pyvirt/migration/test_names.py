"""The name of a domain that moves: what the source sends, what the destination refuses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from leasewatch.neighbours import kernel
from leasewatch.neighbours.table import FAILED, STALE, Sighting
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.domains.qmp_session import QmpSession
from leasewatch.pyvirt.migration import names
from leasewatch.pyvirt.migration.names import Card
from leasewatch.reach import addresses as reach
from nss_pyvirt.errors import UserError

ONE, TWO = "52:54:00:00:00:01", "52:54:00:00:00:02"
OWN = bytes([10, 0, 0, 1])


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A host with the networks lab, of its own, and lan, bridged, with 10.0.0.0/24; both run."""
    made = Paths(tmp_path)
    lab = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd12::/64")
    for network in (lab, Network(name="lan", mode="bridged", bridge="br0")):
        store.write(made.network_definitions, network)
    monkeypatch.setattr(names, "started_network", lambda _paths, _name: None)
    monkeypatch.setattr(kernel, "links", lambda: {"br0": kernel.Interface(7, "", True, 0, "")})
    monkeypatch.setattr(kernel, "addresses", lambda: {7: [(OWN, 24)]})
    return made


def domain(*nics: NicDefinition, name: str = "web1") -> DomainDefinition:
    return DomainDefinition(name=name, nics=nics, memory=64, cpus=1, kernel="/k")


def nic(network: str = "lan", mac: str = ONE, address: str | None = None) -> NicDefinition:
    return NicDefinition(network=network, mac=mac, address=address)


def card(*addresses: str, network: str = "lan", joined: bool = True) -> Card:
    return Card(network=network, mac=ONE, joined=joined, addresses=addresses)


def refused(paths: Paths, moved: DomainDefinition, renamed: Mapping[str, str] = {}) -> UserError:
    cards = [card(network=each.network) for each in moved.nics]
    with pytest.raises(UserError) as caught:
        names.check(paths, moved, cards, renamed)
    return caught.value


def test_without_the_service_the_source_sends_what_the_kernel_knows(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = [
        Sighting(7, bytes([10, 0, 0, 5]), STALE, ONE, 0.0),
        Sighting(7, bytes([10, 0, 0, 6]), FAILED, ONE, 0.0),
        Sighting(7, bytes([10, 0, 0, 7]), STALE, TWO, 0.0),
    ]
    monkeypatch.setattr(kernel, "indexes", lambda names: {"br0": 7} if "br0" in names else {})
    monkeypatch.setattr(kernel, "neighbours", lambda _: there)
    found = names.cards(paths, domain(nic(), nic("lab", TWO)))
    assert found == (
        card("10.0.0.5"),
        Card(network="lab", mac=TWO, joined=False),
    )


def test_two_bridged_networks_of_one_name_are_one_link(paths: Paths) -> None:
    here, cards = names.check(paths, domain(nic()), [card("10.0.0.5", "fe80::1")])
    assert (here, cards) == (domain(nic()), (card("10.0.0.5", "fe80::1"),))


@pytest.mark.parametrize(
    ("network", "sent"),
    [("lan", card("10.9.0.5")), ("lan", card(joined=False)), ("lab", card(network="lab"))],
    ids=["another subnet here", "not bridged there", "not bridged here"],
)
def test_elsewhere_the_guest_needs_a_new_lease(paths: Paths, network: str, sent: Card) -> None:
    _, (found,) = names.check(paths, domain(nic(network)), [sent])
    assert not found.joined


def test_a_network_may_have_another_name_here(paths: Paths) -> None:
    here, (found,) = names.check(paths, domain(nic("dmz")), [card(network="dmz")], {"dmz": "lan"})
    assert (here.nics[0].network, found.network, found.joined) == ("lan", "lan", True)
    assert "is not on network dmz" in refused(paths, domain(nic()), {"dmz": "lan"}).what


def test_a_network_that_is_missing_here_is_refused(paths: Paths) -> None:
    error = refused(paths, domain(nic("dmz")))
    assert error.what == 'there is no network "dmz"'
    another = "or name another one of that host: --network dmz=OTHER"
    assert error.hint == f"there: sudo pyvirt network create dmz; {another}"


def test_a_fixed_address_that_does_not_fit_is_refused(paths: Paths) -> None:
    error = refused(paths, domain(nic("lab", address="10.9.0.5")))
    assert error.what == "10.9.0.5 cannot be a guest's address on network lab"
    assert "sudo pyvirt domain set web1 address-=10.9.0.5" in error.hint


def test_a_name_or_mac_that_is_taken_here_is_refused(paths: Paths) -> None:
    store.write(paths.domain_definitions, domain(nic(mac=TWO)))
    assert refused(paths, domain(nic())).what == "web1 is a name of domain web1 already"
    assert refused(paths, domain(nic(mac=TWO), name="web2")).code == "exists"


def test_a_name_is_waited_for_where_it_had_an_address(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Waits(reach.Awaited):
        def addresses(self, tell: reach.Tell = lambda _: None) -> list[str]:
            del tell
            asked.append((self.name, self._what, round(self.left)))
            raise reach.TimedOutError("web1", "it sends, but has no lease")

    monkeypatch.setattr(reach, "Awaited", Waits)
    assert names.await_name(paths, "web1", [card()]) == ""
    why = names.await_name(paths, "web1", [card("10.0.0.5", "fd00::5", joined=False)])
    assert why == "timed out waiting for web1: it sends, but has no lease"
    names.await_name(paths, "web1", [card("fd00::5")], patience=5)
    assert asked == [("web1", "ipv4", 60), ("web1", "address", 5)]


class Asked(QmpSession):
    """A QEMU that notes what it is asked."""

    def __init__(self) -> None:
        self.links: list[object] = []

    def ask(self, command: str, arguments: Mapping[str, object] = {}, **_: object) -> Any:
        assert command == "set_link"
        self.links.append((arguments["name"], arguments["up"]))


def test_only_links_that_are_new_go_down_and_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leasewatch.pyvirt.domains.relink.LINK_DOWN", 0.0)
    asked = Asked()
    names.bounce(asked, [card(), card(network="lab", joined=False)])
    assert asked.links == [("net1", False), ("net1", True)]
    names.bounce(asked, [card()])
    assert len(asked.links) == 2
