"""Guests ask the host's resolvers, even if /etc/resolv.conf is odd or changes."""

from __future__ import annotations

from tests.system.networks import LAB, started
from tests.system.world import Client, World

SERVER = [
    *("dnsmasq", "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--bind-interfaces"),
    *("--listen-address=127.0.0.9", "--port=53", "--user=root", "--pid-file"),
    "--address=/example.test/192.0.2.9",
]
AT_A_START = {
    "a link into a missing folder": "ln -sf ../run/none/at/all /etc/resolv.conf",
    "a link to itself": "ln -sf resolv.conf /etc/resolv.conf",
    "a folder": "rm /etc/resolv.conf; mkdir /etc/resolv.conf",
    "no file": "rmdir /etc/resolv.conf",
}
LATER = {
    "its folder and then the file appear": "rm -f /etc/resolv.conf\n"
    "ln -s ../run/systemd/resolve/stub /etc/resolv.conf\nmkdir -p /run/systemd/resolve\n"
    "echo nameserver 127.0.0.9 >/run/systemd/resolve/stub",
    "it is a file that is closed to others": "rm /etc/resolv.conf\numask 077\n"
    "echo nameserver 127.0.0.9 >/etc/resolv.conf",
    "another file is renamed into its place": "echo nameserver 127.0.0.9 >/etc/new\n"
    "mv /etc/new /etc/resolv.conf",
}


def resolves(guest: Client) -> bool:
    asked = guest.run(["busybox", "nslookup", "example.test", "10.77.0.1"], check=False)
    return "192.0.2.9" in asked.stdout


def test_no_resolv_conf_keeps_a_network_from_starting_and_a_later_one_counts(world: World) -> None:
    for number, what in enumerate(AT_A_START.values()):
        world.run(["sh", "-c", what])
        started(world, "lab" if number == 0 else f"lab{number}")
    guest = world.client("web", LAB)
    guest.dhcp()
    assert not resolves(guest)
    world.spawn(SERVER)
    for what, change in LATER.items():
        world.run(["sh", "-ec", change])
        world.wait_for(f"an answer once {what}", lambda: resolves(guest))
        world.run(["sh", "-ec", "rm /etc/resolv.conf; touch /etc/resolv.conf"])
        world.wait_for("none without it", lambda: not resolves(guest))
    world.run(["pyvirt", "network", "stop", "lab"])
    assert "resolv.conf" not in world.run(["ls", "/run/pyvirt/networks/lab"]).stdout
