"""What becomes of leases, with real dnsmasq and clients: renewed, renamed, given back, endless.

Each for IPv4 and stateful DHCPv6. observer.py watches where a name must not be lost meanwhile.
"""

from __future__ import annotations

import subprocess
import time

import pytest

from tests.system.asking import entries, has
from tests.system.dhcpv6 import ask_v6, release_v6
from tests.system.observer import Observer, Said
from tests.system.own_dnsmasq import BRIDGE, CLONE, DUID, FILE, MAC, NETWORK, client, dnsmasq
from tests.system.world import Client, World

TABLE = "run/leasewatch/hosts.v1"


def start_dnsmasq(world: World, *options: str) -> subprocess.Popen[str]:
    return world.spawn(dnsmasq(*options))


@pytest.fixture
def host(world: World) -> World:
    """A world with a bridge and the service."""
    world.run(["sh", "-ec", NETWORK])
    world.serve()
    return world


def stop_v6(client: Client) -> None:
    """End the client of `ask_v6` and let it forget what it got, as a machine that is killed."""
    folder = f"/run/{client.name}"
    client.run(["sh", "-ec", f"kill -KILL $(cat {folder}.pid); rm {folder}.leases"])


def test_leases_that_never_end_answer_and_say_so(host: World) -> None:
    # dhclient always asks for an end: the DHCPv6 lease is one that dnsmasq has from before.
    former = f"duid 00:01:00:01:32:96:9f:81:2a:3f:b3:1d:3f:5b\n0 5 fd09::20 rock {DUID}\n"
    (host.root / FILE[1:]).write_text(former)
    start_dnsmasq(
        host, "--dhcp-range=10.9.0.10,10.9.0.99,infinite", "--dhcp-range=fd09::10,fd09::ff,infinite"
    )
    v4 = client(host, 1).dhcp("rock")
    has(host, "rock", v4, "fd09::20")
    assert {entries(host)[address]["expires"] for address in (v4, "fd09::20")} == {None}
    assert (host.root / FILE[1:]).read_text().endswith(former)  # as dnsmasq wrote it


def test_a_lease_that_is_renewed_keeps_its_name_at_every_moment(host: World) -> None:
    start_dnsmasq(host)
    web = client(host, 1)
    v4, v6 = web.dhcp("web1"), ask_v6(web, "web1")
    has(host, "web1", v4, v6)
    before = entries(host)
    with Observer(host.root / TABLE, Said({"web1": {v4, v6}}, always=["web1"])):
        for _ in range(3):
            time.sleep(1)
            web.renew()
        host.wait_for("a later end", lambda: entries(host)[v4]["expires"] > before[v4]["expires"])
    has(host, "web1", v4, v6)


def test_what_is_given_back_goes_and_what_is_kept_stays(host: World) -> None:
    start_dnsmasq(host)
    web = client(host, 1)
    v4, v6 = web.dhcp("web1"), ask_v6(web, "web1")
    has(host, "web1", v4, v6)
    with Observer(host.root / TABLE, Said({"web1": {v4, v6}}, always=["web1"])):
        release_v6(web)
        has(host, "web1", v4, without=v6)
    web.release()
    has(host, "web1")
    assert host.run(["getent", "hosts", v4], check=False).returncode == 2


def test_a_guest_that_renames_itself_answers_to_its_new_name_alone(world: World) -> None:
    world.run(["sh", "-ec", NETWORK])
    source = f'[[source]]\npath = "{FILE}"\nnetwork = "office"\nbridge = "{BRIDGE}"\n'
    world.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=source)
    world.serve()
    start_dnsmasq(world)
    host, web = world, client(world, 1)
    v4, v6 = web.dhcp("old"), ask_v6(web, "old", DUID)
    has(host, "old", v4, v6)
    web.stop()
    web.dhcp("new")
    has(host, "new", v4, without=v6)
    has(host, "old", v6)
    stop_v6(web)
    assert ask_v6(web, "new", DUID) == v6
    has(host, "new", v4, without=v6)  # a clone of its DUID could have renamed the lease
    web.run(["ip", "address", "add", f"{v6}/64", "dev", "eth0", "nodad"])
    web.run(["ping", "-c1", "-W5", "fd09::1"])
    has(host, "new", v4, v6)
    has(host, "old", without=v6)
    assert host.run(["getent", "hosts", v4]).stdout.split()[1] == "new"


def test_clones_with_one_machine_id_are_two_machines_where_pyvirt_serves_them(
    world: World,
) -> None:
    world.run(["pyvirt", "network", "create", "lab", "--subnet", "auto"])
    world.run(["pyvirt", "network", "start", "lab"])
    world.serve()
    clones = [world.client(f"c{n}", "pv-lab", MAC(n)) for n in (1, 2)]
    v4 = [clone.dhcp(f"clone{n}", options=CLONE) for n, clone in enumerate(clones)]
    v6 = [ask_v6(clone, f"clone{n}", duid=DUID) for n, clone in enumerate(clones)]
    assert len({*v4, *v6}) == 4
    for n in (0, 1):
        has(world, f"clone{n}", v4[n], v6[n])
        assert world.run(["getent", "hosts", v6[n]]).stdout.split()[1] == f"clone{n}"
    # As clones without names of their own do: the newest claim has the name, for both families.
    for clone in clones:
        clone.stop()
        clone.dhcp("debian", options=CLONE)
    has(world, "debian", v4[1])
    has(world, "clone0", v6[0])


def test_clones_with_one_client_id_share_the_address_that_a_plain_dnsmasq_gives_them(
    host: World,
) -> None:
    """The second takes the first one's lease, so the name goes with it."""
    start_dnsmasq(host, "--dhcp-range=10.9.0.10,10.9.0.99,1h")
    first = host.client("c8", BRIDGE, MAC(0x18)).dhcp("clone0", options=CLONE)
    has(host, "clone0", first)
    second = host.client("c9", BRIDGE, MAC(0x19)).dhcp("clone1", options=CLONE)
    assert second == first
    has(host, "clone1", second)
    has(host, "clone0")


def test_a_name_goes_from_one_guest_to_another_and_never_answers_with_neither(host: World) -> None:
    start_dnsmasq(host)
    old, new = client(host, 1), client(host, 2)
    has(host, "web1", before := old.dhcp("web1"))
    with Observer(host.root / TABLE, Said({"web1": {before, "10.9.0.102"}}, always=["web1"])):
        after = new.dhcp("web1")
        has(host, "web1", after)
    assert after != before
