"""`pyvirt network set` and `reserve`: a started network takes over what it can, at once."""

from __future__ import annotations

import json

import pytest

from tests.system.asking import finds
from tests.system.domains import define_idle, pyvirt, read
from tests.system.networks import LAB, kill, started, state
from tests.system.world import World

DEFINITION = "/etc/pyvirt/networks/lab.toml"
MAC = "52:54:00:aa:00:01"


def change(world: World, *words: str, code: int = 0) -> str:
    done = pyvirt(world, "network", "set", "lab", *words, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def rules(world: World) -> str:
    return world.run(["nft", "list", "table", "inet", "pyvirt_lab"]).stdout


def forwards(world: World) -> str:
    return world.run(["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout.strip()


@pytest.fixture
def lab(world: World) -> World:
    started(world, "lab", "--subnet", "10.77.0.0/24")
    return world


def test_a_started_network_takes_over_mode_access_and_suffix(lab: World) -> None:
    pid = state(lab)["pid"]
    assert forwards(lab) == "1"
    assert change(lab, "mode=isolated", "host-access=off") == "network lab is changed\n"
    assert "masquerade" not in rules(lab)
    assert "chain input" in rules(lab)
    assert forwards(lab) == "0"
    change(lab, "mode=nat", "host-access=on", "suffix=lab.test", "autostart=on")
    assert "masquerade" in rules(lab)
    assert "chain input" not in rules(lab)
    assert forwards(lab) == "1"
    assert '"lab.test"' in json.dumps(state(lab))
    assert "domain=lab.lab.test\n" in read(lab, "/run/pyvirt/networks/lab/dnsmasq.conf")
    assert change(lab, "mode=nat") == "network lab is as asked already\n"
    assert state(lab)["pid"] == pid
    lab.run(["sysctl", "-qw", "net.ipv4.ip_forward=0"])  # the new mode is watched, too
    lab.wait_for("forwarding", lambda: forwards(lab) == "1")


def test_a_subnet_waits_for_a_restart_and_for_its_guests(lab: World) -> None:
    define_idle(lab, "web1", "--address", "10.77.0.50")
    pyvirt(lab, "domain", "start", "web1")
    assert "guests are on network lab: web1" in change(lab, "subnet=10.78.0.0/24", code=1)
    pyvirt(lab, "domain", "stop", "--force", "web1")
    assert "10.77.0.50 cannot be a guest's" in change(lab, "subnet=10.78.0.0/24", code=1)
    pyvirt(lab, "domain", "delete", "web1")
    said = change(lab, "subnet=10.78.0.0/24")
    assert "subnet takes effect after a restart" in said
    assert "sudo pyvirt network stop lab && sudo pyvirt network start lab" in said
    assert state(lab)["subnets"][0] == "10.77.0.0/24"  # type: ignore[index]
    pyvirt(lab, "network", "stop", "lab")
    pyvirt(lab, "network", "start", "lab")
    assert lab.client("pc", LAB).dhcp().startswith("10.78.0.")
    pyvirt(lab, "network", "stop", "lab")
    assert "restart" not in change(lab, "subnet=auto")


def test_a_reserved_address_is_of_that_machine_alone(lab: World) -> None:
    lab.serve()
    done = pyvirt(
        lab, *("network", "reserve", "lab", "printer"), "--mac", MAC, "--address", "10.77.0.9"
    )
    assert done.stdout == "printer has the address 10.77.0.9 on network lab\n"
    assert "reserved:  printer 52:54:00:aa:00:01 10.77.0.9\n" in shown(lab)
    assert lab.client("printer", LAB, MAC).dhcp() == "10.77.0.9"
    lab.wait_for("its name", lambda: finds(lab, "printer") == ["10.77.0.9"])
    taken = pyvirt(
        lab, *("domain", "create", "b", "--network", "lab", "--address", "10.77.0.9"),
        *("--kernel", "/bin/sh"), check=False,
    )  # fmt: skip
    assert "10.77.0.9 is reserved for printer on network lab" in taken.stderr
    pyvirt(lab, "network", "stop", "lab")
    pyvirt(lab, "network", "start", "lab")
    assert read(lab, "/run/pyvirt/networks/lab/hosts.d/+printer").startswith(MAC)
    pyvirt(lab, "network", "reserve", "lab", "printer", "--remove")
    assert "reserved" not in shown(lab)
    assert not read(lab, "/run/pyvirt/networks/lab/hosts.d/+printer")


def test_reserve_gives_a_domain_its_address(lab: World) -> None:
    define_idle(lab, "web1")
    pyvirt(lab, "network", "reserve", "lab", "web1", "--address", "10.77.0.77")
    (row,) = json.loads(pyvirt(lab, "domain", "show", "web1", "-o", "json").stdout)
    assert row["reserved"] == ["10.77.0.77"]
    assert ",10.77.0.77," in read(lab, "/run/pyvirt/networks/lab/hosts.d/web1")
    pyvirt(lab, "network", "reserve", "lab", "web1", "--remove")
    (row,) = json.loads(pyvirt(lab, "domain", "show", "web1", "-o", "json").stdout)
    assert row["reserved"] == []


def shown(world: World) -> str:
    return pyvirt(world, "network", "show", "lab").stdout


def test_what_a_killed_command_has_written_is_taken_over_by_the_next(lab: World) -> None:
    lab.run(["sh", "-c", f"echo 'host_access = false' >>{DEFINITION}"])
    pyvirt(lab, "network", "start", "lab")
    assert "chain input" in rules(lab)
    kill(lab, state(lab)["pid"])
    change(lab, "host-access=on")
    pyvirt(lab, "network", "start", "lab")
    assert "chain input" not in rules(lab)


WRONG_SET = [
    (["modus=nat"], 'there is no key "modus"', 2),
    (["mode"], "mode has no value", 2),
    (["mode+=nat"], "mode has one value", 2),
    (["mode=bridged"], '"bridged" is not one of nat, isolated', 2),
    (["host-access=maybe"], '"maybe" is neither on nor off', 2),
    (["suffix=local"], '"local" is for multicast DNS', 1),
    (["suffix="], "no DNS suffix", 1),
    (["subnet=8.8.8.0/24"], "8.8.8.0/24 is not private", 1),
    (["subnet=10.77.0.0/16"], "is taken: network other has 10.77.9.0/24", 1),
    (["subnet=10.78.0.0/24"], "10.77.0.5 cannot be a guest's address", 1),
    (["subnet="], "no IPv4 network", 1),
    (["subnet6=fd00::/48"], "not a /64", 1),
    (["bridge=br0"], "a network of mode nat has a bridge of its own", 1),
    (["mode=isolated", "suffix=a..b"], "no DNS suffix", 1),
]
GIVE = ("--address", "10.77.0.60")
WRONG_RESERVE = [
    (["printer"], "give either --address or --remove", 2),
    (["printer", "--address", "10.77.0.60", "--remove"], "give either --address or --remove", 2),
    (["printer", *GIVE], 'there is no domain "printer"', 1),
    (["printer", "--remove"], "network lab has no reservation for printer", 1),
    (["printer", "--mac", "banana", *GIVE], '"banana" is not a MAC address', 1),
    (["printer", "--mac", MAC, "--address", "fd00::1"], '"fd00::1" is not an IPv4 address', 1),
    (["printer", "--mac", MAC, "--address", "10.77.0.1"], "cannot be a guest's address", 1),
    (["printer", "--mac", MAC, "--address", "10.1.1.1"], "cannot be a guest's address", 1),
    (["printer", "--mac", MAC, "--address", "10.77.0.50"], "belongs to domain web1", 1),
    (["localhost", "--mac", MAC, *GIVE], '"localhost" is reserved', 1),
    (["a.b", "--mac", MAC, *GIVE], "is not one label", 1),
    (["web1", "--mac", MAC, *GIVE], "web1 is a domain, which has its own MAC", 1),
    (["web1", "--address", "10.1.1.1"], "cannot be a guest's address", 1),
    (["scan", "--mac", "52:54:00:aa:00:02", "--address", "10.77.0.5"], "is reserved for old", 1),
]


def test_wrong_input_changes_nothing(lab: World) -> None:
    pyvirt(lab, "network", "create", "other", "--subnet", "10.77.9.0/24")
    define_idle(lab, "web1", "--address", "10.77.0.50")
    old = ("--mac", "52:54:00:aa:00:09", "--address", "10.77.0.5")
    pyvirt(lab, "network", "reserve", "lab", "old", *old)
    before = read(lab, DEFINITION), rules(lab)
    for verb, cases in ((["set"], WRONG_SET), (["reserve"], WRONG_RESERVE)):
        for words, says, code in cases:
            failed = pyvirt(lab, "network", *verb, "lab", *words, check=False)
            assert (failed.returncode, says in failed.stderr) == (code, True), failed.stderr
            assert len(failed.stderr.splitlines()) <= 2
    assert (read(lab, DEFINITION), rules(lab)) == before


def test_edit_checks_the_definition_before_anything_changes(lab: World) -> None:
    def edit(line: str) -> str:
        write = f"#!/bin/sh\necho '{line}' >>\"$1\"\n"
        lab.run(["sh", "-c", "cat >/run/ed; chmod +x /run/ed"], input=write)
        asked = ["script", "-qec", "pyvirt network edit lab", "/dev/null"]
        return lab.run(asked, env={"EDITOR": "/run/ed"}, check=False).stdout

    assert "line 4: mode: Invalid enum value 'open'" in edit('mode = "open"')
    assert "network lab is changed" in edit('mode = "isolated"  # mine')
    assert "# mine" in read(lab, DEFINITION)
    assert "masquerade" not in rules(lab)
