"""A bridged network: guests join a bridge of the host, where somebody else gives the addresses."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import DEVNULL

import pytest

from tests.system.asking import finds
from tests.system.domains import define_idle, log_in, pyvirt, read
from tests.system.guest import GuestFiles
from tests.system.networks import alive, kill, state
from tests.system.world import World

SHOW = (
    "ip -o link show dev br0 | grep -o '[0-9]*: br0.*'",
    "ip -o address show dev br0 | sed 's/ tentative//'",
    "nft list ruleset",
    "ls /var/lib/pyvirt/leases /run/systemd/network /run/NetworkManager 2>/dev/null",
    "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding",
)
FOREIGN = (
    *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0"),
    *("--no-ping", "--pid-file=", "--dhcp-leasefile=/run/foreign.leases", "--bind-dynamic"),
    *("--dhcp-range=10.9.0.10,10.9.0.99,1h", "--interface=eth0"),
)
"""The router's: it stands in a namespace of its own, so the host has no lease file."""


def shown(world: World) -> str:
    return world.run(["sh", "-c", "\n".join(SHOW)], check=False).stdout


def row(world: World, name: str = "office") -> dict[str, object]:
    (found,) = json.loads(pyvirt(world, "network", "show", name, "-o", "json").stdout)
    return dict(found)


def ports(world: World) -> list[str]:
    links = json.loads(world.run(["ip", "-json", "link", "show", "master", "br0"]).stdout or "[]")
    return [link["ifname"] for link in links]


@pytest.fixture
def bridge(world: World) -> World:
    """A world with a bridge br0 of its owner, and a router there that leases addresses."""
    world.run(["ip", "link", "add", "br0", "type", "bridge"])
    world.run(["ip", "address", "add", "10.9.0.1/24", "dev", "br0"])
    world.run(["ip", "link", "set", "br0", "up", "mtu", "1400"])
    machine = world.client("router", "br0")
    machine.run(["ip", "address", "add", "10.9.0.254/24", "dev", "eth0"])
    world.spawn(["ip", "netns", "exec", "router", *FOREIGN], stderr=DEVNULL)
    return world


@pytest.fixture
def office(bridge: World) -> World:
    """With a started network `office`, and nothing else."""
    pyvirt(bridge, "network", "create", "office", "--bridge", "br0")
    pyvirt(bridge, "network", "start", "office")
    return bridge


def test_a_guest_with_an_address_from_the_routers_dnsmasq_answers_to_its_name(
    office: World, guest_files: GuestFiles
) -> None:
    office.serve()
    boot = ("--kernel", guest_files.kernel, "--initrd", guest_files.initrd)
    size = ("--memory", "96", "--accel", "tcg")
    pyvirt(office, "domain", "create", "web1", "--network", "office", *boot, *size)
    pyvirt(office, "domain", "start", "web1")
    asks = "until ping -c 1 -W 1 10.9.0.254; do sleep 0.2; done"  # with ARP, once it has a lease
    log_in(office, guest_files, "web1", asks)
    office.wait_for("web1's address", lambda: "10.9.0." in "".join(finds(office, "web1")))
    assert finds(office, "web1.office.internal") == finds(office, "web1")
    office.run(["ping", "-c", "1", "-W", "10", "web1"])
    pyvirt(office, "domain", "stop", "--force", "web1")
    office.wait_for("the name to be gone", lambda: not finds(office, "web1"))


def test_the_bridge_is_as_before_after_everything(bridge: World) -> None:
    before = shown(bridge)
    pyvirt(bridge, "network", "create", "office", "--bridge", "br0")
    pyvirt(bridge, "network", "start", "office")
    define_idle(bridge, "web1", network="office")
    pyvirt(bridge, "domain", "start", "web1")
    assert ports(bridge) == ["v-router", "pvtap0"]
    assert " mtu 1400 " in bridge.run(["ip", "link", "show", "pvtap0"]).stdout
    programs = bridge.run(["ps", "ax", "-o", "args="]).stdout
    assert programs.count("dnsmasq --") == 1, "the router's alone"
    refused = pyvirt(bridge, "network", "stop", "office", check=False)
    assert "in use by running domains: web1" in refused.stderr
    pyvirt(bridge, "domain", "stop", "--force", "web1")
    pyvirt(bridge, "network", "stop", "office")
    assert shown(bridge) == before
    pyvirt(bridge, "domain", "delete", "web1")
    pyvirt(bridge, "network", "delete", "office")
    assert shown(bridge) == before


def test_what_is_taken_from_its_guests_comes_back(office: World) -> None:
    define_idle(office, "web1", network="office")
    pyvirt(office, "domain", "start", "web1")
    rules = office.run(["nft", "list", "ruleset"]).stdout
    assert "52:54:00" in rules
    office.run(["nft", "flush", "ruleset"])
    office.wait_for("rules", lambda: office.run(["nft", "list", "ruleset"]).stdout == rules)
    office.run(["ip", "link", "set", "pvtap0", "nomaster"])
    office.wait_for("the port", lambda: ports(office) == ["v-router", "pvtap0"])
    office.run(["ip", "link", "delete", "br0"])
    office.wait_for("the loss to be shown", lambda: row(office)["state"] == "no bridge")
    failed = pyvirt(office, "network", "start", "office", check=False)
    assert "the host has no bridge br0" in failed.stderr
    office.run(["ip", "link", "add", "br0", "type", "bridge"])
    office.wait_for("web1 to join the next bridge", lambda: ports(office) == ["pvtap0"])
    assert row(office)["state"] == "started"


def test_a_killed_network_is_started_and_stopped_again(office: World) -> None:
    before = shown(office)
    kill(office, state(office, "office")["pid"])
    assert row(office)["state"] == "stopped"
    pyvirt(office, "network", "start", "office")
    assert shown(office) == before
    pid = state(office, "office")["pid"]
    kill(office, pid)
    pyvirt(office, "network", "stop", "office")
    assert "br0" in shown(office)
    assert "pyvirt" not in shown(office)
    assert not alive(office, pid)


def test_a_lease_file_of_the_same_bridge_names_its_guests_there(office: World) -> None:
    """A lease that the host's own dnsmasq gave on the bridge is the domain's, by its MAC."""
    source = '[[source]]\npath = "/run/lan.leases"\nnetwork = "lan"\nbridge = "br0"\n'
    office.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=source)
    define_idle(office, "web1", network="office")
    mac = json.loads(pyvirt(office, "domain", "show", "web1", "-o", "json").stdout)[0]["macs"][0]
    leases = f"4102444800 {mac} 10.9.0.77 anything *\n4102444800 02:00:00:00:00:01 10.9.0.78 pc *\n"
    office.serve()
    pyvirt(office, "domain", "start", "web1")
    office.run(["tee", "/run/lan.leases"], input=leases)
    office.wait_for("web1's lease", lambda: finds(office, "web1") == ["10.9.0.77"])
    assert finds(office, "web1.office.internal") == ["10.9.0.77"]
    assert finds(office, "pc.office.internal") == ["10.9.0.78"]
    pyvirt(office, "domain", "stop", "--force", "web1")
    pyvirt(office, "network", "stop", "office")
    office.wait_for("the former name", lambda: finds(office, "pc.lan.internal") == ["10.9.0.78"])


DROPS = "table ip mine { chain forward { type filter hook forward priority 0; policy drop; }; }"
NETFILTER = Path("/proc/sys/net/bridge")


@pytest.mark.skipif(not NETFILTER.exists(), reason="this kernel has no br_netfilter")
def test_ip_rules_that_may_drop_frames_are_reported_where_frames_pass_them(office: World) -> None:
    office.run(["nft", "-f", "-"], input=DROPS)
    said: list[str] = []
    for value in (0, 1):
        for tool in ("iptables", "ip6tables"):
            office.run(["tee", f"{NETFILTER}/bridge-nf-call-{tool}"], input=str(value))
        said = pyvirt(office, "network", "start", "office").stderr.splitlines()
        assert bool(said) is bool(value)
    where = "(chain ip mine forward)"
    assert said[0] == f"pyvirt: table ip mine may drop packets of network office {where}"
    for hint in said[1:]:
        office.run(["sh", "-c", hint.removeprefix("  hint: ")])
    assert pyvirt(office, "network", "start", "office").stderr == ""


WRONG = [
    (["b", "--bridge", "br1"], "the host has no bridge br1", "ip -brief link show type bridge"),
    (["b", "--bridge", "uplink"], "interface uplink is not a bridge", "its port"),
    (["b", "--bridge", "br0"], "bridge br0 is taken: network office has joined it", "--network"),
    (["b", "--bridge", "pv-lab"], "bridge pv-lab is taken: network lab has made it", "--network"),
    (["b", "--bridge", ""], '"" is not the name of an interface', "br0"),
    (["b", "--bridge", "../br0"], '"../br0" is not the name of an interface', "br0"),
    (["b", "--bridge", "br0;reboot now"], "is not the name of an interface", "br0"),
    (["b", "--bridge", "b" * 16], "is not the name of an interface", "br0"),
    (["b", "--bridge", "br2", "--subnet", "auto"], "subnet: guests of a bridged", "omit subnet"),
    (["b", "--bridge", "br2", "--mode", "nat"], "mode nat has a bridge of its own", "bridged"),
    (["b", "--bridge", "br2", "--no-host-access"], "adds no firewall rules", "omit"),
    (["b", "--mode", "bridged"], "a bridged network needs a bridge", "--bridge br0"),
    (["office", "--bridge", "br2"], "network office already exists", "pyvirt network show office"),
]


def test_wrong_input_gets_one_clear_line_and_a_hint(bridge: World) -> None:
    pyvirt(bridge, "network", "create", "office", "--bridge", "br0")
    pyvirt(bridge, "network", "create", "lab")
    bridge.run(["ip", "link", "add", "uplink", "type", "veth", "peer", "name", "far"])
    bridge.run(["ip", "link", "add", "br2", "type", "bridge"])
    for arguments, says, hint in WRONG:
        failed = pyvirt(bridge, "network", "create", *arguments, check=False)
        assert failed.returncode == 1, arguments
        what, *hints = failed.stderr.splitlines()
        assert says in what
        assert hint in "".join(hints), arguments
        assert len(hints) == 1
    assert pyvirt(bridge, "network", "list", "-o", "name").stdout == "lab\noffice\n"
    broken = 'name = "b"\nmode = "bridged"\nbridge = "br2"\nsubnet = "10.3.0.0/24"\n'
    bridge.run(["tee", "/etc/pyvirt/networks/b.toml"], input=broken)
    failed = pyvirt(bridge, "network", "start", "b", check=False)
    assert "/etc/pyvirt/networks/b.toml: subnet: guests of a bridged network" in failed.stderr
    bridge.run(["ip", "link", "delete", "br0"])
    failed = pyvirt(bridge, "network", "start", "office", check=False)
    assert "the host has no bridge br0" in failed.stderr
    assert not read(bridge, "/run/pyvirt/networks/office.json")
