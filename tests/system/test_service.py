"""The service beside real DHCP servers and clients: foreign lease files, DHCPv6, attacks, kills."""

from __future__ import annotations

import json
import time

import pytest

from tests.system.asking import entries, finds
from tests.system.dhcpv6 import ask_v6
from tests.system.world import World

BRIDGE = "pv-lab"
VICTIM = "web1"


@pytest.fixture
def lab(world: World) -> World:
    """A world with the started network `lab` and the service."""
    world.run(["pyvirt", "network", "create", "lab", "--subnet", "auto"])
    world.run(["pyvirt", "network", "start", "lab"])
    world.serve()
    return world


def test_a_lease_file_of_a_foreign_dnsmasq_is_watched_when_the_settings_name_it(
    world: World,
) -> None:
    for command in ("link add br9 type bridge", "addr add 10.9.0.1/24 dev br9", "link set br9 up"):
        world.run(["ip", *command.split()])
    world.run(
        ["tee", "/etc/pyvirt/leasewatch.toml"],
        input='[[source]]\npath = "/var/lib/misc/own.leases"\nnetwork = "own"\nsuffix = "test"\n',
    )
    world.serve()
    world.run(["mkdir", "-p", "/var/lib/misc"])
    world.spawn(
        [
            *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"),
            *("--port=0", "--interface=br9", "--bind-dynamic", "--no-ping", "--pid-file="),
            *("--dhcp-range=10.9.0.10,10.9.0.99,1h", "--dhcp-authoritative"),
            "--dhcp-leasefile=/var/lib/misc/own.leases",
        ]
    )
    client = world.client("c1", "br9")
    address = client.dhcp("db1")
    world.wait_for("db1.own.test", lambda: finds(world, "db1.own.test") == [address])
    client.release()
    world.wait_for("db1 to be forgotten", lambda: not finds(world, "db1"))


def test_a_dhcpv6_lease_of_a_guest_answers_beside_its_ipv4_one(lab: World) -> None:
    client = lab.client("c1", BRIDGE)
    four = client.dhcp("db1")
    six = ask_v6(client, "db1")
    lab.wait_for(
        "both addresses", lambda: four in finds(lab, "db1") and six in finds(lab, "db1", 6)
    )
    assert "db1" in lab.run(["getent", "hosts", six]).stdout
    assert entries(lab)[six]["state"] == "published"


@pytest.fixture
def victim(lab: World) -> str:
    """The address of a guest whose MAC a running domain `web1` owns."""
    client = lab.client("victim", BRIDGE)
    address = client.dhcp("fedora")
    state = {
        "name": VICTIM,
        "nics": [{"network": "lab", "mac": client.mac, "tap": ""}],
        "pid": 1,
        "started": time.time() - 60,  # before its lease
        "pending_until": 0,
    }
    folder = "/run/pyvirt/domains"
    lab.run(["mkdir", "-p", folder])
    lab.run(["tee", f"{folder}/.new"], input=json.dumps(state))
    lab.run(["mv", f"{folder}/.new", f"{folder}/{VICTIM}.json"])
    lab.wait_for("the domain's name", lambda: finds(lab, VICTIM) == [address])
    return address


def test_a_client_does_not_get_the_name_of_a_domain_that_dnsmasq_does_not_know(
    lab: World, victim: str
) -> None:
    liar = lab.client("liar", BRIDGE).dhcp(VICTIM)
    lab.wait_for("the claim to be seen", lambda: liar in entries(lab))
    assert entries(lab)[liar]["state"] == "refused"
    assert entries(lab)[liar]["reason"]
    assert finds(lab, VICTIM) == [victim]


def test_a_service_that_root_starts_by_hand_runs_as_its_user_and_takes_over_what_root_left(
    world: World,
) -> None:
    world.run(["pyvirt", "network", "create", "lab", "--subnet", "auto"])
    world.run(["pyvirt", "network", "start", "lab"])
    world.run(["sh", "-c", "rm -r /run/leasewatch; chown -R root:root /var/lib/leasewatch"])
    world.run(["touch", "/var/lib/leasewatch/history.db"])
    service = world.spawn(["leasewatch", "serve"])
    address = world.client("c1", BRIDGE).dhcp(VICTIM)
    world.wait_for(VICTIM, lambda: finds(world, VICTIM) == [address])
    held = ["leasewatch", "history", VICTIM, "-o", "name"]
    world.wait_for("the history", lambda: world.run(held, check=False).stdout == f"{VICTIM}\n")
    service.kill()
    service.wait(60)
    owners = world.run(["sh", "-c", "stat -c %U /run/leasewatch/* /var/lib/leasewatch/*"]).stdout
    assert set(owners.split()) == {"leasewatch"}
    world.serve()
