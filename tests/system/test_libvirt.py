"""Beside libvirtd itself: our answers and those of its two NSS modules, each difference meant."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from pathlib import Path

from tests.system import forgery
from tests.system.asking import finds
from tests.system.dhcpv6 import ask_v6, release_v6
from tests.system.forgery import SEND
from tests.system.libvirt import BRIDGE, MAC, Libvirt, start_libvirtd
from tests.system.observer import Observer, Said
from tests.system.own_dnsmasq import CLONE
from tests.system.world import Client

TABLE = "run/leasewatch/hosts.v1"


def test_a_domain_and_a_plain_client_answer_as_libvirts_own_modules_say(libvirt: Libvirt) -> None:
    libvirt.virsh("start", "vm1")

    def listed() -> list[tuple[str, str, str]]:
        rows = json.loads(libvirt.world.run(["leasewatch", "list", "-o", "json"]).stdout)
        return [(r["name"], r["network"], r["state"]) for r in rows]

    libvirt.wait("vm1 to be pending", lambda: listed() == [("vm1", "labnat", "pending")])
    client = libvirt.world.client("web1", BRIDGE)
    v4 = client.dhcp("web1")
    v6 = ask_v6(client, "web1")
    libvirt.wait("a lease for vm1", lambda: bool(libvirt.leased("52:54:00:dd:00:01")))
    vm1 = libvirt.leased("52:54:00:dd:00:01")
    libvirt.wait("vm1 to answer", lambda: libvirt.ours("vm1") == vm1)
    libvirt.wait("web1 to answer", lambda: libvirt.ours("web1") == {v4, v6})
    # The same: the domain's name, the guest's own name, and both families of a plain client.
    assert libvirt.theirs("libvirt_guest", "vm1") == vm1
    assert libvirt.ours("inside") == libvirt.theirs("libvirt", "inside") == vm1
    assert libvirt.theirs("libvirt", "web1") == {v4, v6}
    # More than theirs: qualified names and addresses' names.
    assert libvirt.ours("vm1.labnat.internal") == vm1
    assert libvirt.theirs("libvirt_guest", "vm1.labnat.internal") == set()
    # And what the host sees in use without a lease.
    eui64 = f"fe80::5054:ff:fedd:1%{BRIDGE}"
    libvirt.wait("IPv6 of vm1", lambda: libvirt.link_local("vm1") == {eui64})
    reverse = ["getent", "-s", "hosts:{}", "hosts", *vm1]
    for module, exit_code in (("pyvirt", 0), ("libvirt", 2), ("libvirt_guest", 2)):
        argv = [word.format(module) for word in reverse]
        assert libvirt.world.run(argv, check=False).returncode == exit_code
    # A domain that ends stops answering at once; its guest's name and lease stay, as with theirs.
    libvirt.virsh("destroy", "vm1")
    libvirt.wait("vm1 to stop answering", lambda: libvirt.ours("vm1") == set())
    assert libvirt.theirs("libvirt_guest", "vm1") == libvirt.link_local("vm1") == set()
    assert libvirt.link_local("inside") == set()
    assert libvirt.ours("inside") == libvirt.theirs("libvirt", "inside") == vm1


def test_names_that_libvirt_gives_to_a_liar_are_refused(libvirt: Libvirt) -> None:
    libvirt.virsh("start", "vm1")
    wpad = libvirt.world.client("c1", BRIDGE)
    thief = libvirt.world.client("c2", BRIDGE)
    stolen = thief.dhcp("vm1")
    proxy = wpad.dhcp("isatap")
    libvirt.wait("vm1 to have its lease", lambda: bool(libvirt.leased("52:54:00:dd:00:01")))
    vm1 = libvirt.leased("52:54:00:dd:00:01")
    libvirt.wait("vm1 to answer", lambda: libvirt.ours("vm1") == vm1)
    # Less than theirs, and meant: nobody but the host names a domain or takes a reserved name.
    assert libvirt.theirs("libvirt", "vm1") == {stolen}
    assert libvirt.theirs("libvirt", "isatap") == {proxy}
    assert libvirt.ours("isatap") == set()
    rows = json.loads(libvirt.world.run(["leasewatch", "list", "-o", "json"]).stdout)
    verdicts = {row["address"]: row["state"] for row in rows}
    assert (verdicts[stolen], verdicts[proxy]) == ("refused", "refused")


def test_leases_of_all_kinds_answer_as_libvirts_module_says_and_with_qualified_names_beside(
    libvirt_network: Libvirt,
) -> None:
    """Its network has no dhcp-ignore-clid: clones of one client id share an address."""

    def client(number: int) -> Client:
        return libvirt_network.world.client(f"c{number}", BRIDGE, MAC(number))

    endless, renamed, gone, first, second = map(client, (1, 2, 3, 6, 7))
    expected = {"endless": {endless.dhcp("endless")}, "clone1": set(), "old": set(), "gone": set()}
    six = client(4)
    expected["six"] = {ask_v6(six, "six")}
    six_gone = client(5)
    expected["both"] = {six_gone.dhcp("both")}
    ask_v6(six_gone, "both")
    release_v6(six_gone)
    renamed.dhcp("old")
    renamed.stop()
    expected["new"] = {renamed.dhcp("new")}
    gone.dhcp("gone")
    gone.release()
    first.dhcp("clone1", options=CLONE)
    first.stop()
    expected["clone2"] = {second.dhcp("clone2", options=CLONE)}
    client(8).dhcp("twin")
    twin = libvirt_network.leased(MAC(8))
    expected["twin"] = {client(9).dhcp("twin")}
    for name, addresses in expected.items():
        libvirt_network.await_answer(name, addresses)
        assert libvirt_network.theirs("libvirt", name) == addresses
        assert libvirt_network.theirs("libvirt_guest", name) == set()  # no domain has that name
        # More than theirs.
        assert libvirt_network.ours(f"{name}.labnat.internal") == addresses
        assert libvirt_network.theirs("libvirt", f"{name}.labnat.internal") == set()
    assert twin
    assert libvirt_network.ours("twin").isdisjoint(twin)


def test_names_outlive_their_networks_end_as_theirs_do_and_go_with_the_network(
    libvirt_network: Libvirt,
) -> None:
    address = libvirt_network.world.client("c1", BRIDGE).dhcp("web1")
    libvirt_network.wait("web1 to answer", lambda: libvirt_network.ours("web1") == {address})
    libvirt_network.virsh("net-destroy", "labnat")
    time.sleep(1)
    assert libvirt_network.ours("web1") == libvirt_network.theirs("libvirt", "web1") == {address}
    libvirt_network.virsh("net-start", "labnat")
    assert libvirt_network.ours("web1.labnat.internal") == {address}
    libvirt_network.virsh("net-destroy", "labnat")
    libvirt_network.virsh("net-undefine", "labnat")
    libvirt_network.wait("web1 to go", lambda: not libvirt_network.ours("web1"))
    assert libvirt_network.theirs("libvirt", "web1") == set()


def test_libvirtd_and_its_dnsmasq_killed_at_any_moment_lose_no_name(
    libvirt_network: Libvirt,
) -> None:
    world, dice = libvirt_network.world, random.Random(7)
    names = {f"web{n}": {f"10.71.0.{n + 100}"} for n in range(1, 5)}
    for n in (1, 2):
        world.client(f"c{n}", BRIDGE, MAC(n)).dhcp(f"web{n}")
        libvirt_network.await_answer(f"web{n}", names[f"web{n}"])
    daemon = libvirt_network.daemon
    with Observer(world.root / TABLE, Said(names, always=("web1", "web2"))):
        for n in (3, 4):
            late = world.client(f"c{n}", BRIDGE, MAC(n))
            asking = threading.Thread(target=late.dhcp, args=(f"web{n}", 120))
            asking.start()
            time.sleep(dice.uniform(0, 1))
            world.run(["sh", "-c", "kill -KILL $(cat /run/libvirt/network/labnat.pid)"])
            world.signal(daemon, signal.SIGKILL)
            daemon.wait(60)
            time.sleep(dice.uniform(0, 1))
            daemon = start_libvirtd(world).daemon
            asking.join(150)
            libvirt_network.await_answer(f"web{n}", names[f"web{n}"])


def test_a_forged_mac_moves_libvirts_lease_and_not_the_name(
    libvirt: Libvirt, send_frames: Path
) -> None:
    """Nothing of ours filters libvirt's bridge, but the host sees who answers where."""
    mac, stolen = "52:54:00:dd:00:01", "10.71.0.66"
    libvirt.world.run(["install", send_frames, SEND])
    libvirt.virsh("start", "vm1")
    libvirt.wait("a lease for vm1", lambda: bool(libvirt.leased(mac)))
    (vm1,) = libvirt.leased(mac)
    libvirt.wait("vm1 to answer", lambda: libvirt.ours("vm1") == {vm1})
    assert libvirt.world.run(["ping", "-c1", "-W10", "vm1"]).returncode == 0
    thief = libvirt.world.client("thief", BRIDGE)
    frames = forgery.dhcp(
        forgery.REQUEST, mac, source=thief.mac, server="10.71.0.1", address=stolen
    )
    thief.run([SEND, "eth0", *frames])
    libvirt.wait("the lease to move", lambda: libvirt.theirs("libvirt_guest", "vm1") == {stolen})
    thief.run(["ip", "address", "add", f"{stolen}/24", "dev", "eth0"])
    thief.run(["ping", "-c1", "-W10", "10.71.0.1"])
    libvirt.wait("vm1 to be where it is seen", lambda: libvirt.ours("vm1") == {vm1})
    rows = json.loads(libvirt.world.run(["leasewatch", "list", "-o", "json"]).stdout)
    (lost,) = [row for row in rows if row["address"] == stolen]
    assert lost["state"] == "conflict"
    assert f"another network card, {thief.mac}, answers" in lost["reason"]
    assert libvirt.theirs("libvirt_guest", "vm1") == {stolen}


def test_names_stay_when_libvirtd_is_killed_and_leases_are_seen_without_it(
    libvirt: Libvirt,
) -> None:
    address = libvirt.world.client("c1", BRIDGE).dhcp("web1")
    libvirt.wait("web1 to answer", lambda: finds(libvirt.world, "web1") == [address])
    libvirt.world.signal(libvirt.daemon, signal.SIGKILL)
    libvirt.daemon.wait(60)
    later = libvirt.world.client("c2", BRIDGE).dhcp("web2")
    libvirt.wait("web2 to answer", lambda: finds(libvirt.world, "web2") == [later])
    assert finds(libvirt.world, "web1.labnat.internal") == [address]
