"""How long an address counts that was seen, and what it costs the service."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import children_of
from tests.system.asking import entries
from tests.system.domains import BRIDGE
from tests.system.ipv6 import (
    EUI64,
    LINK_LOCAL,
    MAC,
    OTHER_MAC,
    SPEAK_FROM,
    add,
    bridge_index,
    holds,
    host6,
    knows,
    run_domain,
    speak,
    stop_domain,
    within,
)
from tests.system.world import World

HASTY = (
    "from leasewatch.cli.serve import serve; from leasewatch.paths import Paths;"
    " serve(Paths(), rescan_seconds=1, sweep_seconds=1, failed_seconds=4)"
)


@pytest.fixture
def lab(served_lab: World) -> World:
    """The network, with the service beside it."""
    return served_lab


def service_pid(service: subprocess.Popen[str]) -> int:
    """As this process sees it."""
    (pid,) = children_of(service.pid)
    return pid


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
    address = stranger.dhcp()  # which makes its MAC known at once, not at a rescan after 30 s
    lab.wait_for("what it has", lambda: told_of(OTHER_MAC) >= addresses | {address})


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


@pytest.mark.parametrize("lab_service", [("python", "-c", HASTY)], indirect=True, ids=["hasty"])
def test_an_address_that_no_longer_answers_goes(lab: World) -> None:
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
    lab: World, lab_service: subprocess.Popen[str]
) -> None:
    machine = lab.client("machine", BRIDGE, MAC)
    run_domain(lab, "web1", MAC)
    static = within(lab, 5)
    add(machine, f"{static}/64", "nodad")
    speak(machine, host6(lab), "-I", static)
    wanted = {static, LINK_LOCAL, within(lab, EUI64)}
    lab.wait_for("its addresses", lambda: knows(lab, "web1") == wanted)
    lab.signal(lab_service, signal.SIGKILL)
    lab_service.wait(60)
    watch = "while getent hosts web1 >/dev/null; do :; done; echo lost"
    asking = lab.spawn(["sh", "-c", f"({watch}) > /run/asked"])
    lab.serve()
    assert knows(lab, "web1") == wanted
    assert asking.poll() is None


def test_a_guest_with_thousands_of_addresses_delays_no_other(lab: World) -> None:
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
    lab: World, lab_service: subprocess.Popen[str]
) -> None:
    status = Path(f"/proc/{service_pid(lab_service)}/status")

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
