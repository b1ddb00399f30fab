"""What passes through a network, and what of the host survives it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

from tests.system import forgery
from tests.system.domains import read
from tests.system.networks import LAB, outside, reaches, started
from tests.system.world import CHECKOUT, World

LEASES = "/var/lib/pyvirt/leases/lab.leases"


def test_guests_of_a_nat_network_reach_out_but_cannot_be_reached(world: World) -> None:
    machine = outside(world)
    started(world)
    started(world, "other")
    web, db, stranger = (
        world.client("web", LAB),
        world.client("db", LAB),
        world.client("stranger", "pv-other"),
    )
    addresses = [guest.dhcp() for guest in (web, db, stranger)]
    assert reaches(web, "192.0.2.2")
    assert reaches(web, addresses[1])
    assert not reaches(machine, addresses[0], 1)
    assert not reaches(stranger, addresses[0], 1)
    assert world.run(["ping", "-c1", "-W10", addresses[0]]).returncode == 0


def test_guests_of_an_isolated_network_reach_each_other_and_the_host_only(world: World) -> None:
    outside(world)
    started(world, "lab", "--mode", "isolated")
    started(world, "other")  # it routes, so that forwarding is on
    web, db = world.client("web", LAB), world.client("db", LAB)
    web.dhcp()
    assert reaches(web, db.dhcp())
    assert reaches(web, "10.77.0.1")
    assert web.run(["ip", "route", "show", "default"]).stdout == ""
    web.run(["ip", "route", "add", "default", "via", "10.77.0.1"])
    assert not reaches(web, "192.0.2.2", 1)


def test_guests_learn_names_that_the_host_gave_them(world: World) -> None:
    started(world)
    hosts = "/run/pyvirt/networks/lab/hosts.d/web1"
    world.run(["sh", "-c", f"echo 52:54:00:00:00:07,web1 > {hosts}"])
    address = world.client("guest", LAB, "52:54:00:00:00:07").dhcp("mallory")
    assert f"52:54:00:00:00:07 {address} web1 " in read(world, LEASES)
    asker = world.client("asker", LAB)
    asker.dhcp()
    for name in ("web1", "web1.lab.internal"):
        assert address in asker.run(["busybox", "nslookup", name, "10.77.0.1"], check=False).stdout


def router(world: World, uplink: str, number: int) -> None:
    """A router that advertises itself all the time on a new interface of the world."""
    name = f"router{number}"
    world.run(["ip", "link", "add", uplink, "type", "bridge"])
    machine = world.client(name, uplink)
    machine.run(["ip", "address", "add", f"2001:db8:{number}::1/64", "dev", "eth0", "nodad"])
    machine.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"])
    argv = ["dnsmasq", "-k", "-C", "/dev/null", "-i", "eth0", "-p0", "-u", "root", "-x"]
    ra = ["--enable-ra", f"--dhcp-range=2001:db8:{number}::,ra-only", "--ra-param=eth0,4,1800"]
    world.spawn(["ip", "netns", "exec", name, *argv, f"/run/{name}", *ra])


def ra_settings(world: World) -> dict[str, str]:
    """By its path, whether an interface forwards and heeds routers."""
    conf = "/proc/sys/net/ipv6/conf/*"
    shown = world.run(["sh", "-c", f"grep -H . {conf}/accept_ra {conf}/forwarding"]).stdout
    return dict(line.split(":") for line in shown.splitlines())


def test_a_host_that_forwards_for_guests_still_accepts_router_advertisements(world: World) -> None:
    """One that was there, one whose interface comes up later, one whose interface is new then."""
    router(world, "up0", 0)
    router(world, "up1", 1)
    world.run(["ip", "link", "add", "daemons", "type", "bridge"])
    world.run(["sysctl", "-qw", "net.ipv6.conf.daemons.accept_ra=0"])
    world.run(["ip", "link", "add", "routers", "type", "bridge"])
    world.run(["sysctl", "-qw", "net.ipv6.conf.routers.forwarding=1"])
    before = ra_settings(world)

    def defaults(*uplinks: str) -> bool:
        shown = world.run(["ip", "-6", "route", "show", "default"]).stdout
        return all(f" dev {uplink} proto ra " in shown for uplink in uplinks)

    def bring_up(uplink: str) -> None:
        world.run(["ip", "link", "set", uplink, "up"])
        world.wait_for(f"a default route on {uplink}", lambda: defaults(uplink))

    bring_up("up0")
    started(world)
    started(world, "other")
    assert read(world, "/proc/sys/net/ipv6/conf/all/forwarding") == "1\n"
    assert defaults("up0")
    bring_up("up1")
    router(world, "up2", 2)
    bring_up("up2")
    assert read(world, "/proc/sys/net/ipv6/conf/daemons/accept_ra") == "0\n"
    assert read(world, "/proc/sys/net/ipv6/conf/routers/accept_ra") == "1\n"
    world.run(["pyvirt", "network", "stop", "lab"])
    world.run(["pyvirt", "network", "stop", "other"])
    assert defaults("up0", "up1", "up2")
    after = ra_settings(world)
    assert {path: after[path] for path in before} == before
    assert [value for path, value in after.items() if "/up2/" in path] == ["1", "0"]


def test_an_administrators_setting_for_router_advertisements_stays(world: World) -> None:
    accept = "/proc/sys/net/ipv6/conf/{}/accept_ra".format
    world.run(["ip", "link", "add", "uplink", "type", "bridge"])
    started(world)
    world.run(["ip", "link", "add", "new", "type", "bridge"])
    assert [read(world, accept(name)) for name in ("default", "uplink", "new")] == ["2\n"] * 3
    for name in ("default", "uplink", "new"):
        world.run(["sh", "-c", f"echo 0 >{accept(name)}"])
    world.run(["pyvirt", "network", "stop", "lab"])
    assert [read(world, accept(name)) for name in ("default", "uplink", "new")] == ["0\n"] * 3


def test_the_last_network_gives_settings_back_unless_changed_since(world: World) -> None:
    forward4, forward6 = "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"
    started(world)
    started(world, "other")
    world.run(["pyvirt", "network", "stop", "lab"])
    assert (read(world, forward4), read(world, forward6)) == ("1\n", "1\n")
    world.run(["pyvirt", "network", "stop", "other"])
    assert (read(world, forward4), read(world, forward6)) == ("0\n", "0\n")
    world.run(["pyvirt", "network", "start", "lab"])
    world.run(["sh", "-c", f"echo 2 > {forward6}"])  # somebody else's wish
    world.run(["pyvirt", "network", "stop", "lab"])
    assert (read(world, forward4), read(world, forward6)) == ("0\n", "2\n")


def test_what_the_kernel_sets_along_with_forwarding_is_given_back_too(world: World) -> None:
    paths = (
        "ipv4/conf/uplink/forwarding",
        "ipv6/conf/uplink/forwarding",
        "ipv4/conf/all/accept_redirects",
    )
    keys = [f"net.{path.replace('/', '.')}" for path in paths]
    world.run(["ip", "link", "add", "uplink", "type", "bridge"])
    wanted = [*(f"{key}=1" for key in keys[:2]), f"{keys[2]}=0"]
    world.run(["sysctl", "-qw", *wanted])
    started(world)
    world.run(["pyvirt", "network", "stop", "lab"])
    assert [read(world, f"/proc/sys/net/{path}") for path in paths] == ["1\n", "1\n", "0\n"]
    started(world, "other")
    world.run(["sysctl", "-qw", f"{keys[0]}=0"])
    world.run(["pyvirt", "network", "stop", "other"])
    assert [read(world, f"/proc/sys/net/{path}") for path in paths] == ["0\n", "1\n", "0\n"]


def test_a_setting_that_was_on_before_stays_on(world: World) -> None:
    world.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    started(world)
    world.run(["pyvirt", "network", "stop", "lab"])
    assert read(world, "/proc/sys/net/ipv4/ip_forward") == "1\n"


def test_leases_lost_by_a_dnsmasq_that_was_killed_while_writing_come_back(world: World) -> None:
    started(world)
    for number in range(3):
        world.client(f"c{number}", LAB).dhcp(f"host{number}")
    whole = read(world, LEASES)
    settled = "/run/pyvirt/networks/lab/leases.settled"
    world.wait_for(
        "the parent to have copied the leases",
        lambda: world.run(["cat", settled], check=False).stdout == whole,
    )
    before = json.loads(read(world, "/run/pyvirt/networks/lab.json"))
    parent, dnsmasq = str(before["pid"]), str(before["dnsmasq_pid"])
    torn = (
        f"kill -STOP {parent}; kill -KILL {dnsmasq}; truncate -s 70 {LEASES}; kill -CONT {parent}"
    )
    world.run(["sh", "-c", torn])
    world.wait_for(
        "a new dnsmasq",
        lambda: (
            json.loads(read(world, "/run/pyvirt/networks/lab.json"))["dnsmasq_pid"]
            not in (0, before["dnsmasq_pid"])
        ),
    )
    assert sorted(read(world, LEASES).splitlines()) == sorted(whole.splitlines())
    assert "starting it again" in read(world, "/run/pyvirt/networks/lab/log")


RELEASE = """
import sys
from pathlib import Path
import msgspec
from leasewatch import addresses
from leasewatch.pyvirt.domains import dhcp_release
from leasewatch.model import LeaseFile, NetworkState
from leasewatch.sources import dnsmasq
state = msgspec.json.decode(Path("/run/pyvirt/networks/lab.json").read_bytes(), type=NetworkState)
file = LeaseFile(path=state.lease_file, network="lab", suffix="internal")
leases, _ = dnsmasq.parse(Path(state.lease_file).read_bytes(), file)
given = [each for each in leases if sys.argv[1] in (addresses.text(each.address), "all")]
dhcp_release.release(state, given)
"""


def test_released_leases_are_gone_from_the_lease_file_and_only_they(world: World) -> None:
    started(world)
    web, db = world.client("web", LAB), world.client("db", LAB)
    kept, given_back = web.dhcp("web"), db.dhcp("db")
    argv = [".venv/bin/python", "-c", RELEASE]
    world.run(["sh", "-c", f'cd {CHECKOUT}; exec "$@"', "sh", *argv, given_back])
    world.wait_for("the lease to go", lambda: given_back not in read(world, LEASES))
    assert kept in read(world, LEASES)


def test_a_released_dhcpv6_lease_is_gone_even_when_the_guests_port_is(world: World) -> None:
    started(world)
    web = world.client("web", LAB)
    ask = ["dhclient", "-6", "-1", "-lf", "/run/d6", "-pf", "/run/d6.pid", "-sf", "/bin/true"]
    world.wait_for(
        "web's link-local address",
        lambda: "tentative" not in web.run(["ip", "-6", "address", "show", "dev", "eth0"]).stdout,
    )
    web.run([*ask, "eth0"])
    assert "\nduid " in "\n" + read(world, LEASES)
    assert read(world, LEASES).count("\n") == 2
    world.run(["sh", "-c", "kill -9 $(cat /run/d6.pid); ip link delete v-web"])
    argv = [".venv/bin/python", "-c", RELEASE, "all"]
    world.run(["sh", "-c", f'cd {CHECKOUT}; exec "$@"', "sh", *argv])
    world.wait_for("the lease to go", lambda: read(world, LEASES).count("\n") == 1)


GREEDY = """
import os, socket, struct
sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sock.bind(("::", 546))
sock.settimeout(2)
server = ("ff02::1:2", 547, 0, socket.if_nametoindex("eth0"))
option = lambda code, data: struct.pack("!HH", code, len(data)) + data
duid = option(1, bytes.fromhex("00030001") + os.urandom(6))
for first in range(0, 2000, 25):
    wanted = b"".join(
        option(3, struct.pack("!LLL", iaid, 0, 0)) for iaid in range(first, first + 25)
    )
    for _ in range(30):
        sock.sendto(b"\\1" + first.to_bytes(3, "big") + duid + option(14, b"") + wanted, server)
        try:
            while sock.recv(65536)[1:4] != first.to_bytes(3, "big"):
                pass
        except TimeoutError:
            continue
        break
"""


def test_a_guest_that_leases_all_ipv6_addresses_leaves_others_ipv4_and_slaac(world: World) -> None:
    started(world)
    greedy = world.client("greedy", LAB)
    tentative = ["ip", "-6", "address", "show", "dev", "eth0", "tentative"]
    world.wait_for("its link-local address", lambda: not greedy.run(tentative).stdout)
    greedy.run(["python3", "-c", GREEDY], timeout=300)
    assert read(world, LEASES).count(" fd") >= 1000
    other = world.client("other", LAB)
    assert other.dhcp().startswith("10.77.0.")
    world.wait_for("SLAAC", lambda: any(":" in address for address in other.addresses))


def test_a_networks_parent_sleeps_while_nothing_changes_and_copies_what_does(
    world: World,
) -> None:
    started(world)
    status = f"/proc/{json.loads(read(world, '/run/pyvirt/networks/lab.json'))['pid']}/status"

    def wake_ups() -> int:
        return int(read(world, status).split("voluntary_ctxt_switches:")[1].split()[0])

    world.client("c0", LAB).dhcp("host0")
    settled = "/run/pyvirt/networks/lab/leases.settled"
    world.wait_for("a copy", lambda: "host0" in world.run(["cat", settled], check=False).stdout)

    def sleeps() -> bool:  # what was written last may be looked at once more
        before = wake_ups()
        time.sleep(4)
        return wake_ups() == before

    world.wait_for("four seconds of rest", sleeps)
    world.client("c1", LAB).dhcp("host1")
    world.wait_for("another copy", lambda: read(world, settled) == read(world, LEASES))
    assert "host1" in read(world, settled)


SHOUT = """
import socket, sys
frame = bytes.fromhex(sys.argv[1])
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind(("eth0", 0))
    while True:
        wire.send(frame)
"""


def test_a_guest_that_asks_for_what_is_refused_does_not_fill_the_hosts_memory(
    world: World,
) -> None:
    started(world)
    guest = world.client("loud", LAB)
    (refused,) = forgery.dhcp(
        forgery.REQUEST, guest.mac, source=guest.mac, server="10.77.0.1", address="10.99.0.1"
    )
    log = world.root / "run/pyvirt/networks/lab/dnsmasq.log"
    shouting = world.spawn(["ip", "netns", "exec", "loud", sys.executable, "-c", SHOUT, refused])
    longest = 0

    def is_cut() -> bool:
        nonlocal longest
        before, longest = longest, max(longest, size := log.stat().st_size)
        return size < before

    world.wait_for("the log to be cut off", is_cut)
    world.signal(shouting, signal.SIGKILL)
    world.wait_for("a short log", lambda: log.stat().st_size <= 1 << 20)
    assert "DHCPNAK(pv-lab) 10.99.0.1" in log.read_text().splitlines()[-1]


POLLING = """
import errno, os
from leasewatch.paths import Paths
from leasewatch.pyvirt.networks.directory_notifier import DirectoryNotifier
from leasewatch.pyvirt.networks.networks import Networks
def watch(*_):
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
DirectoryNotifier.watch = watch
Networks(Paths()).run("lab")
"""


def test_a_network_whose_process_gets_no_notification_of_changes_polls_for_them(
    world: World,
) -> None:
    world.run(["pyvirt", "network", "create", "lab"])
    parent = world.spawn(["python", "-c", POLLING], stderr=subprocess.PIPE)
    world.wait_for("dnsmasq", lambda: "pv-lab" in world.run(["ss", "-lun"]).stdout)
    for number in range(2):
        world.client(f"c{number}", LAB).dhcp(f"host{number}")
        copy = ["grep", "-q", f"host{number}", "/run/pyvirt/networks/lab/leases.settled"]
        world.wait_for("a copy", lambda copy=copy: not world.run(copy, check=False).returncode)  # type: ignore[misc]
    world.signal(parent, signal.SIGTERM)
    _, said = parent.communicate(timeout=30)
    assert said.count("change notification is unavailable; falling back to polling") == 1
