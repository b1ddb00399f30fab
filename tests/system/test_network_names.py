"""Whose names dnsmasq's own DNS gives to guests: never a liar's."""

from __future__ import annotations

import pytest

from tests.system.dhcpv6 import ask_v6
from tests.system.domains import LEASES, read
from tests.system.networks import LAB, started
from tests.system.world import Client, World

WEB1 = (
    'name = "web1"\naliases = ["www", "cdn.lab.internal"]\nmemory = 64\ncpus = 1\nkernel = "/k"\n'
)
CARD = '[[nics]]\nnetwork = "{network}"\nmac = "52:54:00:00:00:{mac}"\n'
KEPT = {
    "web1": "a domain's name",
    "WEB1": "in whatever case",
    "www": "its alias",
    "www.example.com": "of which dnsmasq takes the first label",
    "web1.lab.internal": "which is what a guest is called",
    "cdn": "by which a guest would be an alias",
    "db1": "of a domain of another network",
    "my_vm": "that no guest could have on the host",
    "gateway": "which resolvers know",
    "localhost": "reserved",
    "wpad.lab.internal": "reserved",
    "pyvirt-world": "the host's own",
}


@pytest.fixture
def lab(world: World) -> World:
    """A network, and domains that do not run."""
    for name, network in (("web1", "lab"), ("db1", "dmz"), ("my_vm", "dmz")):
        define(world, WEB1.replace("web1", name) if name == "web1" else plain(name), network, name)
    started(world, "lab", "--mode", "isolated")
    return world


def plain(name: str) -> str:
    return f'name = "{name}"\nmemory = 64\ncpus = 1\nkernel = "/k"\n'


def define(world: World, text: str, network: str, name: str) -> None:
    card = CARD.format(network=network, mac=f"{len(name):02x}")
    world.run(["mkdir", "-p", "/etc/pyvirt/domains"])
    world.run(["tee", f"/etc/pyvirt/domains/.{name}"], input=text + card)
    folder = "/etc/pyvirt/domains"
    world.run(["mv", f"{folder}/.{name}", f"{folder}/{name}.toml"])


def dns(asker: Client, name: str) -> str:
    """What dnsmasq answers: all that is printed behind the server's own address."""
    asked = asker.run(["busybox", "nslookup", name, "10.77.0.1"], check=False).stdout
    return asked.partition("\n\n")[2]


def claims(guest: Client, name: str) -> list[str]:
    """The addresses, of both families, that it leases under a name."""
    return [guest.dhcp(name), ask_v6(guest, name)]


def test_no_claim_gives_a_guest_a_name_of_the_hosts(lab: World) -> None:
    guest, liar = lab.client("guest", LAB), lab.client("liar", LAB)
    addresses = claims(guest, "honest")
    assert all(address in dns(guest, "honest") for address in addresses)
    for name in KEPT:
        address = liar.dhcp(name)
        assert address not in dns(guest, name), name
        assert address not in dns(guest, name.partition(".")[0]), name
        liar.end()
    for name in ("WEB1", "www.example.com"):
        addresses = claims(liar, name)
        answers = dns(guest, name) + dns(guest, name.partition(".")[0])
        assert not [each for each in addresses if each in answers], name
        liar.end()
    for name in ("web1.lab.internal", "cdn.lab.internal", "gateway"):
        assert "NXDOMAIN" in dns(guest, name), name


def test_a_name_is_kept_from_when_it_is_defined_until_it_is_not(lab: World) -> None:
    asker, liar = lab.client("asker", LAB), lab.client("liar", LAB)
    asker.dhcp()
    holder = lab.client("holder", LAB)
    held = holder.dhcp("new2")
    assert held in dns(asker, "new2")
    owner = "52:54:00:00:00:31"
    lab.run(["tee", "/run/pyvirt/networks/lab/hosts.d/web1"], input=f"{owner},web1\n")
    owned = lab.client("web1", LAB, owner).dhcp()
    assert owned in dns(asker, "web1")
    first = read(lab, "/run/pyvirt/networks/lab.json")
    define(lab, plain("new2"), "dmz", "new2")
    lab.wait_for(
        "a dnsmasq that knows it", lambda: read(lab, "/run/pyvirt/networks/lab.json") != first
    )
    addresses = claims(liar, "new2")
    assert owned in dns(asker, "web1")
    assert "NXDOMAIN" in dns(asker, "new2.lab.internal")
    assert not [each for each in (held, *addresses) if each in dns(asker, "new2")]
    assert all(f" {address} * " in read(lab, LEASES) for address in addresses)
    second = read(lab, "/run/pyvirt/networks/lab.json")
    lab.run(["rm", "/etc/pyvirt/domains/new2.toml"])
    lab.wait_for(
        "a dnsmasq that forgot it", lambda: read(lab, "/run/pyvirt/networks/lab.json") != second
    )
    liar.end()
    address = liar.dhcp("new2")
    assert address in dns(asker, "new2")
