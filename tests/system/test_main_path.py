"""The main path: an address is leased by a real dnsmasq, and every program finds it by name."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.system.world import World

BRIDGE = "pv-lab"

# What a person or a program does with a name → part of what it prints, {} being the address.
QUESTIONS = [
    (["getent", "ahostsv4", "DB1"], "{}"),
    (["getent", "ahosts", "db1.lab.internal"], "{}"),
    (["getent", "ahosts", "db1"], "{}"),
    (["getent", "ahostsv4", "db1"], "{}"),
    (["getent", "hosts", "{}"], "db1"),
    (["/usr/bin/python3", "-c", "import socket; print(socket.getaddrinfo('db1', 22))"], "{}"),
    (["/usr/bin/python3", "-c", "import socket; print(socket.gethostbyaddr('{}'))"], "db1"),
    (["ping", "-c", "1", "-W", "5", "db1"], "1 received"),
]


@pytest.fixture
def service(world: World) -> subprocess.Popen[str]:
    """A started network `lab` and a running service, both the real ones."""
    world.run(["pyvirt", "network", "create", "lab", "--subnet", "auto"])
    world.run(["pyvirt", "network", "start", "lab"])
    return world.serve()


@pytest.fixture
def lab(world: World, service: subprocess.Popen[str]) -> World:
    """The world in which `service` runs."""
    return world


def finds(world: World, name: str) -> list[str]:
    """The IPv4 addresses that glibc gives for a name, in order; [] if it knows none."""
    shown = world.run(["getent", "ahostsv4", name], check=False).stdout
    return list(dict.fromkeys(line.split()[0] for line in shown.splitlines()))


def end(world: World, service: subprocess.Popen[str], number: signal.Signals) -> None:
    """Signal the service and wait until it is gone."""
    world.signal(service, number)
    service.wait(30)


def test_a_leased_name_answers_every_program_of_a_plain_user(lab: World) -> None:
    address = lab.client("c1", BRIDGE).dhcp("db1")
    lab.wait_for("db1 to resolve", lambda: finds(lab, "db1"))
    for argv, answer in QUESTIONS:
        asked = [word.replace("{}", address) for word in argv]
        assert answer.replace("{}", address) in lab.run(asked, user="nobody").stdout, asked
    assert lab.run(["leasewatch", "ip", "db1"], user="nobody").stdout.split()[0] == address


def test_names_without_a_lease_are_still_not_found(lab: World) -> None:
    lab.client("c1", BRIDGE).dhcp("db1")
    lab.wait_for("db1 to resolve", lambda: finds(lab, "db1"))
    assert lab.run(["getent", "hosts", "db2"], check=False).returncode == 2
    assert lab.run(["leasewatch", "ip", "db2"], check=False).returncode == 3
    assert "127.0.0.1" in finds(lab, "localhost")


def test_a_released_lease_takes_its_name_back(lab: World) -> None:
    client = lab.client("c1", BRIDGE)
    client.dhcp("db1")
    lab.wait_for("db1 to resolve", lambda: finds(lab, "db1"))
    client.release()
    lab.wait_for("db1 to be forgotten", lambda: not finds(lab, "db1"))


def test_names_outlive_a_killed_service_and_its_successor_goes_on(
    lab: World, service: subprocess.Popen[str]
) -> None:
    address = lab.client("c1", BRIDGE).dhcp("db1")
    lab.wait_for("db1 to resolve", lambda: finds(lab, "db1"))
    end(lab, service, signal.SIGKILL)
    assert finds(lab, "db1") == [address]
    second = lab.client("c2", BRIDGE).dhcp("db2")
    assert finds(lab, "db2") == []
    lab.serve()
    assert finds(lab, "db1") == [address]
    lab.wait_for("db2 to resolve", lambda: finds(lab, "db2") == [second])


def test_no_lookup_fails_while_the_service_is_restarted(
    lab: World, service: subprocess.Popen[str]
) -> None:
    address = lab.client("c1", BRIDGE).dhcp("db1")
    lab.wait_for("db1 to resolve", lambda: finds(lab, "db1"))
    ask = "while getent hosts db1 >/dev/null; do echo; done; echo failed"
    asking = lab.spawn(["sh", "-c", f"({ask}) >/run/asked"])
    for _ in range(3):
        end(lab, service, signal.SIGTERM)
        service = lab.serve()
    assert asking.poll() is None
    assert "failed" not in lab.run(["cat", "/run/asked"]).stdout
    assert finds(lab, "db1") == [address]


def test_a_second_client_of_the_same_name_never_mixes_with_the_first(lab: World) -> None:
    lab.client("c1", BRIDGE).dhcp("db1")
    lab.wait_for("db1 to resolve", lambda: finds(lab, "db1"))
    newest = lab.client("c2", BRIDGE).dhcp("db1")
    lab.wait_for("the newest claim to win", lambda: finds(lab, "db1") == [newest])


@pytest.mark.long
def test_a_thousand_leases_come_and_go_and_each_is_found(lab: World) -> None:
    clients = [lab.client(f"c{number}", BRIDGE) for number in range(10)]
    for turn in range(100):
        names = [f"host{turn}-{client.name}" for client in clients]
        for client, name in zip(clients, names, strict=True):
            address = client.dhcp(name)
            lab.wait_for(f"{name} to resolve", lambda: finds(lab, name) == [address])  # noqa: B023
        for client, name in zip(clients, names, strict=True):
            client.release()
            lab.wait_for(f"{name} to be forgotten", lambda: not finds(lab, name))  # noqa: B023
