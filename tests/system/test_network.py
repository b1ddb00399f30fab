"""Networks in a world: made whole, mended, and taken back to the last setting."""

from __future__ import annotations

import json
import signal

import pytest

from tests.system.networks import LAB, alive, defined, kill, run_domain, started, state
from tests.system.world import World


def traces(world: World) -> str:
    """Everything that a network could leave on a host, but its definition and leases."""
    looks = [
        "ip -brief link",
        "ip route; ip -6 route",
        "nft list ruleset",
        "ls /proc/sys/net/ipv4/conf",
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding",
        "cat /proc/sys/net/ipv6/conf/*/accept_ra",
        "ls /run/pyvirt/networks/*.json /run/pyvirt/sysctls/* /run/pyvirt/networks/*/lock",
        "ps ax -o args | grep -E '[d]nsmasq|network [r]un'",
    ]
    return world.run(
        ["sh", "-c", "\n".join(f"{look} 2>/dev/null" for look in looks)], check=False
    ).stdout


def lease_file(world: World) -> str:
    return world.run(["cat", "/var/lib/pyvirt/leases/lab.leases"]).stdout


@pytest.mark.parametrize("mode", ["nat", "isolated"])
def test_a_started_network_leases_and_a_stopped_one_leaves_nothing(world: World, mode: str) -> None:
    defined(world, "lab", "--mode", mode)
    before = traces(world)
    for _ in range(2):
        world.run(["pyvirt", "network", "start", "lab"])
    client = world.client("web", LAB)
    address = client.dhcp("web")
    assert address.startswith("10.77.0.")
    assert f"{client.mac} {address} web" in lease_file(world)
    for _ in range(2):
        world.run(["pyvirt", "network", "stop", "lab"])
    world.run(["ip", "link", "delete", "v-web"], check=False)
    assert traces(world) == before
    assert address in lease_file(world)


DAMAGE = {
    "the bridge is deleted": "ip link delete pv-lab",
    "its address is gone": "ip address flush dev pv-lab",
    "it is down": "ip link set pv-lab down",
    "the ruleset is flushed": "nft flush ruleset",
    "forwarding is switched off": "sysctl -qw net.ipv4.ip_forward=0",
    "dnsmasq is killed": "kill -9 $(jq_pid dnsmasq_pid)",
    "the parent is killed": "kill -9 $(jq_pid pid)",
    "its folders are closed": "find /run/pyvirt /var/lib/pyvirt -type d -exec chmod 0700 {} + ;"
    " kill -9 $(jq_pid pid)",
    "everything at once": "kill -9 $(jq_pid pid); nft flush ruleset; ip link delete pv-lab",
}
_JQ_PID = """jq_pid() { sed 's/.*"'$1'":\\([0-9]*\\).*/\\1/' /run/pyvirt/networks/lab.json; }; """


def test_start_mends_a_damaged_network(world: World) -> None:
    started(world)
    table = world.run(["nft", "list", "table", "inet", "pyvirt_lab"]).stdout
    for number, (what, damage) in enumerate(DAMAGE.items()):
        pid = state(world)["pid"]
        world.run(["sh", "-c", _JQ_PID + damage])
        if "jq_pid pid" in damage:
            world.wait_for(f"the parent to end: {what}", lambda: not alive(world, pid))  # noqa: B023
        world.run(["pyvirt", "network", "start", "lab"])
        mended = world.run(["nft", "list", "table", "inet", "pyvirt_lab"]).stdout
        assert mended == table, what
        assert world.run(["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout == "1\n", what
        assert world.client(f"web{number}", LAB).dhcp().startswith("10.77.0."), what


def test_mending_puts_a_running_domains_tap_back_on_its_own_bridge(world: World) -> None:
    """Of two that were killed or run, the one that the kernel has given the tap's name last."""
    started(world)
    started(world, "dmz")
    world.run(["ip", "tuntap", "add", "pvtap0", "mode", "tap"])
    killed = run_domain(world, "web1", "dmz", "pvtap0", 1)
    world.signal(killed, signal.SIGKILL)
    killed.wait(30)
    run_domain(world, "db1", "lab", "pvtap0", 2)
    world.run(["ip", "link", "delete", LAB])
    for network in ("lab", "dmz"):
        world.run(["pyvirt", "network", "start", network])
        assert f"master {LAB}" in world.run(["ip", "link", "show", "pvtap0"]).stdout


def test_removed_hosts_entries_are_recreated_and_end_no_network(world: World) -> None:
    started(world)
    pid, former = state(world)["pid"], state(world)["dnsmasq_pid"]
    hosts = "/run/pyvirt/networks/lab/hosts.d"
    world.run(["rm", "-r", hosts])
    world.client("web", LAB).dhcp()  # a lease is what it looks up for
    world.wait_for(
        "the folder", lambda: not world.run(["test", "-d", hosts], check=False).returncode
    )
    world.wait_for("a new dnsmasq", lambda: state(world)["dnsmasq_pid"] not in {0, former})
    world.run(["tee", f"{hosts}/db1"], input="52:54:00:00:00:01,10.77.0.50\n")
    assert world.client("db1", LAB, "52:54:00:00:00:01").dhcp() == "10.77.0.50"
    assert state(world)["pid"] == pid


def test_a_strict_umask_of_roots_closes_nothing_to_dnsmasq_and_plain_users(world: World) -> None:
    strict = "umask 077; pyvirt network create lab && pyvirt network start lab"
    world.run(["sh", "-c", strict])
    assert world.client("web", LAB).dhcp().startswith("10.77.0.")
    listed = world.run(["pyvirt", "network", "list", "-o", "json"], user="nobody").stdout
    assert [each["state"] for each in json.loads(listed)] == ["started"]
    world.run(["chmod", "0700", "/run/pyvirt"])
    assert "lab" in world.run(["pyvirt", "network", "list"], user="nobody").stdout


@pytest.mark.parametrize("number", ["-KILL", "-TERM", "-INT"])
def test_stop_clears_up_after_a_parent_that_has_ended(world: World, number: str) -> None:
    defined(world)
    before = traces(world)
    world.run(["pyvirt", "network", "start", "lab"])
    pid, dnsmasq = state(world)["pid"], state(world)["dnsmasq_pid"]
    kill(world, pid, number)
    for each in (pid, dnsmasq):
        world.wait_for(f"process {each} to end", lambda each=each: not alive(world, each))  # type: ignore[misc]
    if number != "-KILL":
        assert traces(world) == before, "a parent that may still act takes everything back itself"
    world.run(["pyvirt", "network", "stop", "lab"])
    assert traces(world) == before


def test_a_network_stops_where_sys_shows_another_network_namespace(world: World) -> None:
    """/sys was mounted in the world's namespace, so it never has the bridge."""
    script = (
        "ip link set lo up; pyvirt network create lab; pyvirt network start lab;"
        " ip link show pv-lab; ! [ -e /sys/class/net/pv-lab ]; pyvirt network start lab;"
        " pyvirt network stop lab; ! ip link show pv-lab"
    )
    world.run(["unshare", "--net", "sh", "-ec", script])


def test_a_file_that_is_no_run_state_stands_in_no_networks_way(world: World) -> None:
    junk = "mkdir -p /run/pyvirt/domains/web1.json; echo '{' >/run/pyvirt/domains/torn.json"
    world.run(["sh", "-c", junk])
    started(world)
    world.run(["pyvirt", "network", "stop", "lab"])


TAKE_DNS = """
import socket, time
taken = socket.socket(type=socket.SOCK_DGRAM)
taken.bind(("", 53))
time.sleep(60)
"""
OBSTACLES = {
    "nft is missing": (
        "mount --bind /dev/null $(readlink -f $(command -v nft))",
        "nft is not installed",
        "apt install nftables",
    ),
    "dnsmasq is missing": (
        "mount --bind /dev/null $(readlink -f $(command -v dnsmasq))",
        "dnsmasq is not installed",
        "apt install dnsmasq-base",
    ),
    "the bridge's name is taken": (
        "ip link add pv-lab type bridge",
        "interface pv-lab already exists and is not ours",
        "ip link delete pv-lab",
    ),
    "the kernel's settings are read-only": (
        "mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys",
        "Read-only file system",
        "",
    ),
    "the DNS port is taken": (
        f"python -c '{TAKE_DNS}' >/dev/null 2>&1 &\nuntil ss -lnu | grep -q :53; do :; done",
        "Address already in use",
        "ss -lnup",
    ),
    "the lease file cannot be written": (
        "mkdir -p /var/lib/pyvirt/leases/lab.leases",
        "Is a directory",
        "",
    ),
    "the state cannot be written": (
        "mkdir -p /run/pyvirt/networks/lab.json",
        "Is a directory",
        "",
    ),
    "IPv6 is switched off": (
        "mount -t tmpfs none /proc/sys/net",
        "IPv6 is disabled in the kernel",
        "boot without ipv6.disable=1",
    ),
    "a route has the subnet": (
        "ip link set lo up; ip route add 10.77.0.0/25 dev lo",
        "subnet 10.77.0.0/24 of network lab is taken: the host's route via lo has 10.77.0.0/25",
        "/etc/pyvirt/networks/lab.toml",
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES.keys())
def test_a_start_that_fails_says_why_and_undoes_what_it_did(world: World, obstacle: str) -> None:
    command, says, hint = OBSTACLES[obstacle]
    defined(world)
    world.run(["sh", "-c", command])
    before = traces(world)
    failed = world.run(["pyvirt", "network", "start", "lab"], check=False)
    assert failed.returncode == 1
    what, *hints = failed.stderr.splitlines()
    assert says in what
    assert hint in "".join(hints)
    assert traces(world) == before
