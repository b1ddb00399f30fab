"""An address that its owner gave to a domain stays with it, no matter which guest asks for it."""

from __future__ import annotations

import contextlib
from itertools import count

import pytest

from tests.system.domains import LEASES, define, lease, pyvirt, read, row
from tests.system.guest import GuestFiles
from tests.system.world import World

BRIDGE = "pv-lab"
ADDRESS = "10.77.0.50"
HOSTS = "/run/pyvirt/networks/lab/hosts.d"


@pytest.fixture
def reserved(lab: World, guest_files: GuestFiles) -> World:
    """A domain `db1` on ADDRESS that is not started."""
    define(lab, guest_files, "db1", "--mac", "52:54:00:00:00:01", "--address", ADDRESS)
    return lab


def asks(world: World, name: str, mac: str | None = None, wanted: str | None = None) -> str:
    """What a machine is given that asks, for `wanted` if it may; it gives it back at once."""
    client = world.client(name, BRIDGE, mac)

    def given_back() -> str:
        address = client.dhcp(options=["-r", wanted] if wanted else [])
        client.release()
        with contextlib.suppress(AssertionError):  # a restarting dnsmasq has not heard it
            world.wait_for("it", lambda: address not in read(world, LEASES), timeout=10)
            return address
        return ""

    address = world.wait_for("a lease that is given back", given_back)
    world.run(["ip", "netns", "delete", name])
    return address


def test_a_running_domain_has_its_address_and_its_name(reserved: World) -> None:
    pyvirt(reserved, "domain", "start", "db1")
    assert lease(reserved, "db1") == ADDRESS
    (line,) = [line for line in read(reserved, LEASES).splitlines() if ADDRESS in line]
    assert line.split()[3] == "db1"
    assert row(reserved, "db1")["reserved"] == [ADDRESS]
    pyvirt(reserved, "domain", "stop", "--force", "db1")
    assert read(reserved, f"{HOSTS}/db1") == f"52:54:00:00:00:01,{ADDRESS},db1\n"


@pytest.mark.parametrize("name", ["ignore", "infinite", "1d"])
def test_a_name_that_is_a_keyword_of_dnsmasqs_keeps_no_guest_from_its_address(
    lab: World, guest_files: GuestFiles, name: str
) -> None:
    define(lab, guest_files, name, "--mac", "52:54:00:00:00:01", "--address", ADDRESS)
    assert asks(lab, "own", mac="52:54:00:00:00:01") == ADDRESS
    assert read(lab, f"{HOSTS}/{name}") == f"52:54:00:00:00:01,{ADDRESS}\n"


def test_no_other_guest_gets_the_address_while_the_domain_is_stopped(reserved: World) -> None:
    assert asks(reserved, "thief", wanted=ADDRESS) != ADDRESS
    pyvirt(reserved, "network", "stop", "lab")
    pyvirt(reserved, "network", "start", "lab")
    assert asks(reserved, "again", wanted=ADDRESS) != ADDRESS
    assert asks(reserved, "own", mac="52:54:00:00:00:01") == ADDRESS


def test_a_domain_made_again_with_another_mac_has_the_address_of_the_former(
    reserved: World, guest_files: GuestFiles
) -> None:
    pyvirt(reserved, "domain", "delete", "db1")
    define(reserved, guest_files, "db1", "--mac", "52:54:00:00:00:02", "--address", ADDRESS)
    later = count()
    reserved.wait_for(
        "dnsmasq to forget the former",
        lambda: asks(reserved, f"new{next(later)}", mac="52:54:00:00:00:02") == ADDRESS,
    )
    pyvirt(reserved, "domain", "delete", "db1")
    reserved.wait_for(
        "the address to be anybody's",
        lambda: asks(reserved, f"any{next(later)}", wanted=ADDRESS) == ADDRESS,
    )


def test_an_address_that_is_anothers_is_refused_in_one_line(
    reserved: World, guest_files: GuestFiles
) -> None:
    words = ("--network", "lab", "--kernel", guest_files.kernel, "--address", ADDRESS)
    refused = pyvirt(reserved, "domain", "create", "db2", *words, check=False)
    assert refused.returncode == 1
    what, how = refused.stderr.splitlines()
    assert f"{ADDRESS} belongs to domain db1 on network lab" in what
    assert "pyvirt domain show db1" in how


def test_an_address_in_use_is_not_taken_from_its_lease(lab: World, guest_files: GuestFiles) -> None:
    machine = lab.client("machine", BRIDGE)
    address = machine.dhcp()
    words = ("--network", "lab", "--kernel", guest_files.kernel, "--address", address)
    refused = pyvirt(lab, "domain", "create", "db2", *words, check=False)
    assert refused.returncode == 1
    what, how = refused.stderr.splitlines()
    assert f"{address} is leased to a machine with MAC {machine.mac} on network lab" in what
    assert "use another one" in how
    assert "db2" not in pyvirt(lab, "domain", "list").stdout
    machine.release()
    lab.wait_for("the release", lambda: address not in read(lab, LEASES))
    define(lab, guest_files, "db2", "--address", address)
