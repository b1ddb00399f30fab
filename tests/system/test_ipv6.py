"""IPv6 that is true: addresses join a domain or guest because the host sees its MAC at them."""

from __future__ import annotations

import pytest

from nss_pyvirt import snapshot
from tests.system.asking import entries
from tests.system.dhcpv6 import ask_v6
from tests.system.domains import BRIDGE
from tests.system.ipv6 import (
    EUI64,
    LINK_LOCAL,
    MAC,
    OTHER_MAC,
    TABLE,
    add,
    bridge_index,
    globals6,
    holds,
    host6,
    knows,
    run_domain,
    speak,
    told,
    within,
)
from tests.system.world import World


@pytest.fixture
def lab(served_lab: World) -> World:
    """The network, with the service beside it."""
    return served_lab


def test_slaac_and_link_local_addresses_answer_before_the_guest_uses_them(
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


def test_a_domain_that_has_ipv6_alone_ends_the_wait_of_whom_it_serves(lab: World) -> None:
    run_domain(lab, "web1", MAC, wait=60)
    table = lab.root / TABLE
    lab.wait_for("it to be pending", lambda: snapshot.lookup(table, "web1").status == "not yet")
    databases = ("ahosts", "ahostsv6", "ahostsv4")
    either, six, four = [lab.spawn(["getent", database, "web1"]) for database in databases]
    sockets = ["ss", "-xa", "state", "connected"]
    lab.wait_for("all to wait", lambda: lab.run(sockets).stdout.count("pending.sock") >= 3)
    lab.client("machine", BRIDGE, MAC)
    assert either.wait(40) == 0
    assert six.wait(40) == 0
    assert four.wait(40) == 2  # after names.pending_wait
