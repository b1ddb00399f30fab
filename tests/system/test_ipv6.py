"""IPv6 that is true: addresses join a domain or guest because the host sees its MAC at them."""

from __future__ import annotations

import ast
import ipaddress
import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from nss_pyvirt import snapshot
from tests.conftest import children_of
from tests.system.asking import entries
from tests.system.dhcpv6 import ask_v6
from tests.system.domains import BRIDGE
from tests.system.world import Client, World

MAC = "52:54:00:00:66:01"
OTHER_MAC = "52:54:00:00:66:02"
EUI64 = 0x505400FFFE006601
LINK_LOCAL = "fe80::5054:ff:fe00:6601"
DOMAINS = "/run/pyvirt/domains"
TABLE = "run/leasewatch/hosts.v1"
GETADDRINFO = """
import socket, sys
for family, _, _, _, address in socket.getaddrinfo(sys.argv[1], 0, type=socket.SOCK_STREAM):
    print(repr((address[0].partition("%")[0], address[3] if len(address) > 2 else 0)))
"""
SPEAK_FROM = """
import socket, sys
for address in sys.argv[2:]:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind((address, 0))
        sock.sendto(b"", (sys.argv[1], 9))
"""

HASTY = (
    "from leasewatch.neighbours import watch as n; from leasewatch.neighbours import table as t;"
    " t.FAILED_SECONDS, n.SWEEP_SECONDS = 8, 1;"
    " from leasewatch.cli.leasewatch import main; main(['serve'])"
)


@pytest.fixture
def service(world: World, request: pytest.FixtureRequest) -> subprocess.Popen[str]:
    """Beside the started network `lab`; a parameter is a program to run instead of it."""
    world.run(["pyvirt", "network", "create", "lab", "--subnet", "10.77.0.0/24"])
    world.run(["pyvirt", "network", "start", "lab"])
    return world.serve(*getattr(request, "param", ()))


@pytest.fixture
def lab(world: World, service: subprocess.Popen[str]) -> World:
    """The world in which `service` runs."""
    return world


def service_pid(service: subprocess.Popen[str]) -> int:
    """As this process sees it."""
    (pid,) = children_of(service.pid)
    return pid


def run_domain(world: World, name: str, mac: str, wait: int = 0) -> None:
    """A running domain `name` owns `mac` from now on, as `pyvirt domain run` would write it."""
    now = time.time()
    state = {
        "name": name,
        "nics": [{"network": "lab", "mac": mac, "tap": ""}],
        "pid": 1,
        "started": now,
        "pending_until": int(now) + wait,
    }
    world.run(["mkdir", "-p", DOMAINS])
    world.run(["tee", f"{DOMAINS}/.new"], input=json.dumps(state))
    world.run(["mv", f"{DOMAINS}/.new", f"{DOMAINS}/{name}.json"])


def stop_domain(world: World, name: str) -> None:
    world.run(["rm", f"{DOMAINS}/{name}.json"])


def within(world: World, interface: int) -> str:
    """An address of the network's /64; the host's own is the first."""
    state = json.loads(world.run(["cat", "/run/pyvirt/networks/lab.json"]).stdout)
    return str(ipaddress.ip_network(state["subnets"][1])[interface])


def host6(world: World) -> str:
    """The host's own global address on the bridge."""
    return within(world, 1)


def told(world: World, name: str) -> set[tuple[str, int]]:
    """Addresses and scopes that getaddrinfo() gives; none where it knows no such name."""
    shown = world.run(["python", "-c", GETADDRINFO, name], check=False).stdout
    return {ast.literal_eval(line) for line in shown.splitlines()}


def holds(world: World, name: str) -> set[tuple[str, int]]:
    """Addresses and scopes of its published record, that have not ended."""
    hosts = snapshot.read(world.root / TABLE).hosts
    found = [address for host in hosts if name in host.names for address in host.addresses]
    return {
        (socket.inet_ntop(address.family, address.packed), address.ifindex)
        for address in found
        if address.expires > time.time()
    }


def knows(world: World, name: str) -> set[str]:
    """The addresses without scopes."""
    return {address for address, _ in holds(world, name)}


def add(client: Client, *address: str) -> None:
    client.run(["ip", "address", "add", *address, "dev", "eth0"])


def speak(client: Client, to: str, *options: str) -> None:
    """Something to the host, so that the host must know where to answer."""
    client.run(["ping", "-c", "1", "-W", "5", *options, to])


def globals6(client: Client) -> set[str]:
    """Its global IPv6 addresses, once all of them may be used (RFC 4862)."""
    tentative = ["ip", "-6", "address", "show", "dev", "eth0", "tentative"]
    if client.run(tentative).stdout:
        return set()
    return {address for address in client.addresses if ":" in address}


def bridge_index(world: World) -> int:
    (link,) = json.loads(world.run(["ip", "-json", "link", "show", BRIDGE]).stdout)
    return int(link["ifindex"])


def test_slaac_and_link_local_addresses_answer_before_the_guest_has_said_a_word(
    lab: World,
) -> None:
    lab.client("machine", BRIDGE, MAC)
    run_domain(lab, "web1", MAC)
    slaac = within(lab, EUI64)
    both = {(slaac, 0), (LINK_LOCAL, bridge_index(lab))}
    lab.wait_for("both addresses", lambda: holds(lab, "web1") == both)
    assert holds(lab, "web1.lab.internal") == both
    # Programs get what is best.
    assert told(lab, "web1") == told(lab, "web1.lab.internal") == {(slaac, 0)}
    assert lab.run(["getent", "ahostsv6", "web1"]).stdout.split()[0] == slaac
    assert "web1" in lab.run(["getent", "hosts", slaac]).stdout
    shown = lab.run(["leasewatch", "ip", "web1"]).stdout.split()
    assert shown == [slaac, f"{LINK_LOCAL}%{BRIDGE}"]
    for asked in (["list"], ["resolve", "web1"], ["resolve", "web1", "--explain"]):
        assert f",{LINK_LOCAL}%{BRIDGE}," in lab.run(["leasewatch", *asked, "-o", "csv"]).stdout
    row = entries(lab)[slaac]
    assert [row["from"], row["mac"], row["source"]] == ["neighbour", MAC, None]


def test_the_history_has_what_is_seen_without_a_lease_from_when_it_is_seen(lab: World) -> None:
    def told_of(address: str) -> list[tuple[str, str, str]]:
        asked = ["leasewatch", "history", address, "-o", "json"]
        rows = json.loads(lab.run(asked, check=False).stdout or "[]")
        return [(row["from"], row["name"], row["state"]) for row in rows]

    lab.client("machine", BRIDGE, MAC)
    run_domain(lab, "web1", MAC)
    slaac = within(lab, EUI64)
    lab.wait_for("it to be seen", lambda: told_of(slaac) == [("neighbour", "web1", "holds")])
    stop_domain(lab, "web1")
    ended = [("neighbour", "web1", "gone")]
    lab.wait_for("its end", lambda: told_of(slaac) == ended)
    lab.run(["ip", "neighbour", "flush", "dev", BRIDGE])  # as a domain's end does
    run_domain(lab, "web1", MAC)
    lab.wait_for("another run", lambda: told_of(slaac) == [*ended, ("neighbour", "web1", "holds")])
    shown = lab.run(["leasewatch", "history", "--events", slaac, "-o", "json"]).stdout
    kinds = [row["event"] for row in json.loads(shown)]
    assert kinds == ["seen", "named", "gone", "seen", "named"]


def test_a_stranger_of_many_addresses_is_no_history_until_it_has_a_lease(lab: World) -> None:
    def told_of(mac: str) -> set[str]:
        asked = ["leasewatch", "history", mac, "-o", "json"]
        return {row["address"] for row in json.loads(lab.run(asked, check=False).stdout or "[]")}

    stranger = lab.client("stranger", BRIDGE, OTHER_MAC)
    addresses = {within(lab, 0x70000 + number) for number in range(5)}
    for address in addresses:
        add(stranger, f"{address}/64", "nodad")
    stranger.run(["python", "-c", SPEAK_FROM, host6(lab), *addresses])
    lab.client("machine", BRIDGE, MAC)
    run_domain(lab, "web1", MAC)
    lab.wait_for("one that is known", lambda: within(lab, EUI64) in told_of(MAC))
    assert told_of(OTHER_MAC) == set()
    address = stranger.dhcp()  # which tells of its MAC at once, not at a rescan after 30 s
    lab.wait_for("what it has", lambda: told_of(OTHER_MAC) >= addresses | {address})


def test_private_random_and_static_addresses_appear_as_they_are_used(lab: World) -> None:
    machine = lab.client("machine", BRIDGE, OTHER_MAC)
    machine.run(["ip", "link", "set", "eth0", "down"])
    machine.run(["ip", "link", "set", "eth0", "addrgenmode", "random"])  # RFC 7217
    machine.run(["sysctl", "-qw", "net.ipv6.conf.eth0.use_tempaddr=2"])  # RFC 8981
    run_domain(lab, "web1", OTHER_MAC)
    machine.run(["ip", "link", "set", "eth0", "up"])
    lab.wait_for("stable and private addresses", lambda: len(globals6(machine)) == 2)
    found = globals6(machine)
    for address in found:
        speak(machine, host6(lab), "-I", address)
    lab.wait_for("both to be known", lambda: found <= knows(lab, "web1"))
    static = {within(lab, 5), "10.77.0.5"}
    add(machine, f"{within(lab, 5)}/64", "nodad")
    add(machine, "10.77.0.5/24")
    assert not static & knows(lab, "web1")
    speak(machine, host6(lab), "-I", within(lab, 5))
    speak(machine, "10.77.0.1")
    found |= static
    lab.wait_for("the static ones", lambda: found <= knows(lab, "web1"))
    assert "web1" in lab.run(["getent", "hosts", "10.77.0.5"]).stdout
    rest = knows(lab, "web1") - found
    assert all(address.startswith("fe80:") for address in rest)


def test_a_dhcpv6_lease_is_the_domains_that_has_its_address_and_not_of_whom_it_names(
    lab: World,
) -> None:
    run_domain(lab, "web1", MAC)
    run_domain(lab, "db1", "52:54:00:00:66:99")
    # Its DUID and hostname are another domain's.
    lease = ask_v6(lab.client("machine", BRIDGE, MAC), "db1", "00:03:00:01:52:54:00:00:66:99")
    assert lease not in knows(lab, "web1")
    lab.run(["ip", "-n", "machine", "address", "add", f"{lease}/64", "dev", "eth0"])
    lab.wait_for("the lease", lambda: lease in knows(lab, "web1"))
    assert lease not in knows(lab, "db1")
    row = entries(lab)[lease]
    assert [row["from"], row["mac"]] == ["lease", MAC]


def test_who_forges_duid_and_name_gets_nothing_though_the_host_sees_it(lab: World) -> None:
    run_domain(lab, "web1", MAC)
    liar = lab.client("liar", BRIDGE, OTHER_MAC)
    lease = ask_v6(liar, "web1", f"00:03:00:01:{MAC}")
    add(liar, f"{lease}/64", "nodad")
    speak(liar, host6(lab), "-I", lease)
    lab.wait_for("its MAC to be seen", lambda: entries(lab)[lease]["mac"] == OTHER_MAC)
    assert entries(lab)[lease]["state"] == "refused"
    assert knows(lab, "web1") == set()
    assert lab.run(["getent", "hosts", lease], check=False).returncode == 2


def test_no_address_beyond_the_link_joins_anybody(lab: World) -> None:
    machine = lab.client("machine", BRIDGE, MAC)
    run_domain(lab, "web1", MAC)
    for address in ("2001:db8::66/64", "192.0.2.66/24"):
        add(machine, address)
    machine.run(["ip", "route", "add", "10.77.0.1", "dev", "eth0"])
    machine.run(["ip", "-6", "route", "add", host6(lab), "dev", "eth0"])
    for address in ("2001:db8::66", "192.0.2.66"):
        to = host6(lab) if ":" in address else "10.77.0.1"
        machine.run(["ping", "-c", "1", "-W", "1", "-I", address, to], check=False)
    lab.wait_for("what is on the link", lambda: LINK_LOCAL in knows(lab, "web1"))
    assert not {"2001:db8::66", "192.0.2.66"} & knows(lab, "web1")


def test_what_was_seen_of_a_domain_ends_with_it_and_is_not_its_next_runs(lab: World) -> None:
    machine = lab.client("machine", BRIDGE, MAC)
    run_domain(lab, "web1", MAC)
    static = within(lab, 5)
    add(machine, f"{static}/64", "nodad")
    speak(machine, host6(lab), "-I", static)
    lab.wait_for("its addresses", lambda: {static, LINK_LOCAL} <= knows(lab, "web1"))
    stop_domain(lab, "web1")
    lab.wait_for("the name to be gone", lambda: knows(lab, "web1") == set())
    assert lab.run(["getent", "hosts", static], check=False).returncode == 2
    machine.run(["ip", "address", "flush", "dev", "eth0", "scope", "global"])
    lab.run(["ip", "neighbour", "del", LINK_LOCAL, "dev", BRIDGE])  # as a domain's end does
    run_domain(lab, "web1", MAC)
    lab.wait_for("what the new run uses", lambda: LINK_LOCAL in knows(lab, "web1"))
    assert static not in knows(lab, "web1")


def test_a_guest_without_domain_answers_with_the_ipv6_addresses_of_its_leases_mac(
    lab: World,
) -> None:
    machine = lab.client("machine", BRIDGE, MAC)
    four = machine.dhcp("db1")
    lab.wait_for("SLAAC", lambda: globals6(machine))
    (six,) = globals6(machine)
    speak(machine, host6(lab))
    lab.wait_for("both families", lambda: {four, six} <= knows(lab, "db1"))
    machine.release()
    lab.wait_for("the name to go with the lease", lambda: knows(lab, "db1") == set())


@pytest.mark.parametrize("service", [("python", "-c", HASTY)], indirect=True, ids=["hasty"])
def test_an_address_that_nobody_answers_at_any_more_goes(lab: World) -> None:
    machine = lab.client("machine", BRIDGE, MAC)
    run_domain(lab, "web1", MAC)
    lab.wait_for("its addresses", lambda: LINK_LOCAL in knows(lab, "web1"))
    machine.run(["ip", "link", "set", "eth0", "down"])
    lab.run(["ip", "neighbour", "flush", "dev", BRIDGE])  # what the kernel forgets is no proof
    time.sleep(0.5)
    assert LINK_LOCAL in knows(lab, "web1")
    scoped = f"{LINK_LOCAL}%{BRIDGE}"

    def gone() -> bool:
        lab.run(["ping", "-c", "1", "-W", "1", scoped], check=False)
        return LINK_LOCAL not in knows(lab, "web1")

    lab.wait_for("the address to be given up", gone)


def test_a_network_that_is_stopped_takes_its_neighbours_along_and_brings_new_ones(
    lab: World,
) -> None:
    lab.client("machine", BRIDGE, MAC)
    run_domain(lab, "web1", MAC)
    lab.wait_for("its addresses", lambda: LINK_LOCAL in knows(lab, "web1"))
    former = bridge_index(lab)
    lab.run(["ip", "link", "delete", BRIDGE])
    lab.wait_for("nothing to be left", lambda: knows(lab, "web1") == set())
    lab.run(["pyvirt", "network", "start", "lab"])  # repairs what is missing
    lab.run(["ip", "link", "set", "v-machine", "master", BRIDGE])
    now = bridge_index(lab)
    assert now != former
    lab.wait_for("its address there", lambda: (LINK_LOCAL, now) in holds(lab, "web1"), 60)


def test_a_service_that_is_killed_loses_no_address(
    lab: World, service: subprocess.Popen[str]
) -> None:
    machine = lab.client("machine", BRIDGE, MAC)
    run_domain(lab, "web1", MAC)
    static = within(lab, 5)
    add(machine, f"{static}/64", "nodad")
    speak(machine, host6(lab), "-I", static)
    wanted = {static, LINK_LOCAL, within(lab, EUI64)}
    lab.wait_for("its addresses", lambda: knows(lab, "web1") == wanted)
    lab.signal(service, signal.SIGKILL)
    service.wait(60)
    watch = "while getent hosts web1 >/dev/null; do :; done; echo lost"
    asking = lab.spawn(["sh", "-c", f"({watch}) > /run/asked"])
    lab.serve()
    assert knows(lab, "web1") == wanted
    assert asking.poll() is None


def test_a_guest_of_thousands_of_addresses_holds_nobody_up(lab: World) -> None:
    machine = lab.client("machine", BRIDGE, MAC)
    other = lab.client("other", BRIDGE)
    run_domain(lab, "web1", MAC)
    addresses = [within(lab, 0x70000 + number) for number in range(1500)]
    batch = "".join(f"address add {a}/64 dev eth0 nodad\n" for a in addresses)
    machine.run(["ip", "-batch", "-"], input=batch)
    machine.run(["python", "-c", SPEAK_FROM, host6(lab), *addresses])
    lab.wait_for("some of them", lambda: len(knows(lab, "web1")) > 10)
    address = other.dhcp("db1")
    lab.wait_for("another guest's name", lambda: address in knows(lab, "db1"))
    assert len(knows(lab, "web1")) <= 17  # of one MAC, and link-local
    assert len(entries(lab)) < 64


def test_what_happens_on_other_interfaces_does_not_wake_the_service(
    lab: World, service: subprocess.Popen[str]
) -> None:
    status = Path(f"/proc/{service_pid(service)}/status")

    def wakes() -> int:
        return int(status.read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    busy = """
ip link add left type veth peer right; ip link set left up; ip link set right up
ip address add 192.0.2.1/24 dev left
for i in $(seq 10 200); do
  ip neighbour replace 192.0.2.$i lladdr 02:00:00:00:00:01 dev left
  ip neighbour del 192.0.2.$i dev left; done"""
    time.sleep(2)
    before, began = wakes(), time.monotonic()
    lab.run(["sh", "-ec", busy])
    woken, took = wakes() - before, time.monotonic() - began
    before = wakes()
    time.sleep(took)  # the rescans alone
    assert woken < wakes() - before + 40


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_domain_that_has_ipv6_alone_ends_the_wait_of_whom_it_serves(
    lab: World, family: socket.AddressFamily
) -> None:
    run_domain(lab, "web1", MAC, wait=30)
    databases = {socket.AF_INET: "ahostsv4", socket.AF_INET6: "ahostsv6"}
    waiting = lab.spawn(["getent", databases[family], "web1"])
    either = lab.spawn(["getent", "ahosts", "web1"])
    sockets = ["ss", "-xa", "state", "connected"]
    lab.wait_for("both to wait", lambda: lab.run(sockets).stdout.count("pending.sock") >= 2)
    lab.client("machine", BRIDGE, MAC)
    assert either.wait(40) == 0
    assert waiting.wait(40) == (0 if family == socket.AF_INET6 else 2)
