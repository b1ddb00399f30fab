"""A started network restores what others remove, but does not fight another program without end."""

from __future__ import annotations

import time
from subprocess import DEVNULL

import pytest

from tests.system.domains import read
from tests.system.networks import LAB, defined, run_domain, started, state
from tests.system.world import World

LOG = "/run/pyvirt/networks/lab/log"
TAP = "pvtap0"
REFRESH = (
    "from leasewatch.paths import Paths; from leasewatch.pyvirt.mac_filter import apply as m; "
)
REFRESH += 'm.refresh_filter(Paths(), ["lab"])'
DAMAGE = {
    "nft flush ruleset": "nftables rules, the MAC filter",
    "nft flush table inet pyvirt_lab": "nftables rules",
    "nft delete chain inet pyvirt_lab forward": "nftables rules",
    "nft 'flush ruleset; add table inet other'": "nftables rules, the MAC filter",
    "nft delete table bridge pyvirt_lab": "the MAC filter",
    f"ip address flush dev {LAB}": "the bridge's addresses",
    f"ip address delete 10.77.0.1/24 dev {LAB}": "the bridge's addresses",
    f"sysctl -qw net.ipv6.conf.{LAB}.disable_ipv6=1": "the bridge's addresses",
    f"ip link set {LAB} down": "the bridge",
    f"ip link delete {LAB}": "the bridge",
    f"ip link set {TAP} nomaster": f"the port of {TAP}",
    "sysctl -qw net.ipv6.conf.all.forwarding=0": "forwarding",
    "sysctl -qw net.ipv4.ip_forward=0": "forwarding",
}
SHOW = (
    "nft list table inet pyvirt_lab",
    "nft list table bridge pyvirt_lab",
    f"ip -o address show dev {LAB} | grep -v fe80 | sed 's/^[0-9]*: //; s/valid_lft.*//'",
    f"ip -o link show dev {LAB} | grep -o '[<,]UP[,>]'",
    f"basename $(readlink /sys/class/net/{TAP}/master)",
    "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding",
)


def shown(world: World) -> str:
    return world.run(["sh", "-c", "\n".join(SHOW)], check=False).stdout


def lost(world: World) -> list[str]:
    lines = read(world, LOG).splitlines()
    return [line for line in lines if " has lost " in line]


@pytest.fixture
def lab(world: World) -> World:
    """A network with a running domain, and its tap."""
    started(world)
    world.run(["ip", "tuntap", "add", TAP, "mode", "tap"])
    world.run(["ip", "link", "set", TAP, "up", "master", LAB])
    run_domain(world, "web1", "lab", TAP, 1)
    world.run(["python", "-c", REFRESH])
    return world


def test_what_others_take_comes_back(lab: World) -> None:
    pid, whole = state(lab)["pid"], shown(lab)
    assert whole.count("table ") == 2
    for command, what in DAMAGE.items():
        before = len(lost(lab))
        lab.run(["sh", "-c", command])
        lab.wait_for(f"what '{command}' took to be missed", lambda: len(lost(lab)) > before)  # noqa: B023
        lab.wait_for(f"what '{command}' took to be back", lambda: whole == shown(lab))
        assert any(part in lost(lab)[before] for part in what.split(", ")), "\n".join(
            [command, *lost(lab)]
        )
    assert state(lab)["pid"] == pid
    assert lab.client("web", LAB).dhcp().startswith("10.77.0.")


def test_what_is_taken_again_and_again_is_given_back_ever_more_seldom(lab: World) -> None:
    begun = time.monotonic()
    take = "while :; do nft delete table inet pyvirt_lab; sleep 0.1; done"
    thief = lab.spawn(["sh", "-c", take], stderr=DEVNULL)
    lab.wait_for("four attempts", lambda: len(lost(lab)) >= 4)
    assert time.monotonic() - begun > 3.4, "0.5, 1 and 2 s are between the first four"
    lab.run(["ip", "address", "flush", "dev", LAB])
    lab.wait_for("what else is lost", lambda: " 10.77.0.1/24 " in shown(lab))
    thief.kill()
    thief.wait(30)
    table = ["nft", "list", "table", "inet", "pyvirt_lab"]
    lab.wait_for("the table", lambda: not lab.run(table, check=False).returncode)


def test_an_event_of_another_interface_is_no_loss(lab: World) -> None:
    """Others' tables and devices; a domain that starts or ends; another network's end."""
    started(lab, "other")
    for command in (
        "nft add table inet theirs; nft delete table inet theirs",
        "ip link add theirs type bridge; ip link delete theirs",
        f"python -c '{REFRESH}'",
        "pyvirt network stop other",
        f"rm /run/pyvirt/domains/web1.json; python -c '{REFRESH}'",
        f"ip link delete {TAP}",
        "pyvirt network start lab",
    ):
        lab.run(["sh", "-ec", command])
    assert f'"{TAP}"' not in lab.run(["nft", "list", "table", "bridge", "pyvirt_lab"]).stdout
    lab.run(["nft", "flush", "table", "inet", "pyvirt_lab"])
    lab.wait_for("a real loss", lambda: lost(lab))
    assert lost(lab) == ["network lab has lost nftables rules: repairing"]


def test_a_network_of_thousands_of_leases_loses_nothing_by_its_own_changes(world: World) -> None:
    """Each held address is a message of nftables to all listeners, so to the network itself."""
    count = 5_000
    defined(world, "lab", "--subnet", "10.77.0.0/16")
    world.run(["mkdir", "-p", "/var/lib/pyvirt/leases"])
    leases = "".join(
        f"4102444800 02:00:00:01:{n >> 8:02x}:{n & 255:02x} 10.77.{100 + (n >> 8)}.{n & 255} * *\n"
        for n in range(count)
    )
    world.run(["tee", "/var/lib/pyvirt/leases/lab.leases"], input=leases)
    world.run(["pyvirt", "network", "start", "lab"])

    def held() -> int:
        done = world.run(["nft", "list", "set", "bridge", "pyvirt_lab", "holders"], check=False)
        return done.stdout.count(" . ")

    world.wait_for("the leases to be held", lambda: held() >= count)
    assert world.client("web", LAB).dhcp().startswith("10.77.")
    world.wait_for("one more to be held", lambda: held() > count)
    world.run(["pyvirt", "network", "start", "lab"])
    world.wait_for("all to be held again", lambda: held() > count)
    assert not lost(world)
