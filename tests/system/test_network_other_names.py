"""Guests of one network ask for names of another, where the owner allows it."""

from __future__ import annotations

import pytest

from tests.system.networks import started
from tests.system.world import Client, World

SETTINGS = '[dns]\nlisten = ["127.0.0.1:5300"]\n'
ALLOWED = '[dns.guests]\nlab = ["dmz"]\n'
NETWORKS = ("lab", "dmz", "red")


def write(world: World, text: str) -> None:
    """As an editor does: written beside the file, then renamed."""
    folder = "/etc/pyvirt"
    world.run(["tee", f"{folder}/.settings"], input=text)
    world.run(["mv", f"{folder}/.settings", f"{folder}/leasewatch.toml"])


def asked(guest: Client, own: str, name: str) -> str:
    """What the dnsmasq of a guest with the address `own` says."""
    server = own.rpartition(".")[0] + ".1"
    said = guest.run(["busybox", "nslookup", name, server], check=False).stdout
    return said.partition("\n\n")[2]


@pytest.fixture
def guests(world: World) -> dict[str, Client]:
    """A guest on each network, called web-NETWORK, and the names' services."""
    for network in NETWORKS:
        started(world, network, "--mode", "isolated")
    found = {network: world.client(network, f"pv-{network}") for network in NETWORKS}
    world.start_service()
    write(world, SETTINGS + ALLOWED)
    world.spawn(["leasewatch", "dns", "serve"])
    return found


def test_guests_ask_for_the_names_of_the_networks_that_the_owner_allows(
    world: World, guests: dict[str, Client]
) -> None:
    at = {network: guest.dhcp(f"web-{network}") for network, guest in guests.items()}

    def says(network: str, name: str) -> str:
        return asked(guests[network], at[network], name)

    def sees(network: str, other: str) -> bool:
        return at[other] in says(network, f"web-{other}.{other}.internal")

    world.wait_for("a guest of lab to see one of dmz", lambda: sees("lab", "dmz"))
    assert "web-dmz.dmz.internal" in says("lab", at["dmz"])
    assert "NXDOMAIN" in says("lab", "nobody.dmz.internal")
    assert all(sees(network, network) for network in NETWORKS)
    for network, other in (("red", "dmz"), ("red", "lab"), ("lab", "red"), ("dmz", "lab")):
        assert not sees(network, other)
        assert "web-" not in says(network, at[other])
    write(world, SETTINGS)
    conf = ["cat", "/run/pyvirt/networks/lab/dnsmasq.conf"]
    world.wait_for("dnsmasq to ask no more", lambda: "dmz" not in world.run(conf).stdout)
    assert not sees("lab", "dmz")
