"""A process that takes part in a migration is killed: one guest goes on, and only one."""

from __future__ import annotations

import random
import re
import subprocess
import time

import pytest

from leasewatch.pyvirt.domains import qmp_session
from tests.system.domains import pyvirt
from tests.system.two_hosts import TwoHosts

VICTIMS = {
    "the command": ("kvm1", r"\bpyvirt domain migrate web1"),
    "the agent": ("kvm2", r"python\S* \S*pyvirt domain receive web1"),
    "the destination's QEMU": ("kvm2", r"qemu-system\S* -name guest=web1"),
    "the destination's parent": ("kvm2", r"domain run web1"),
}


def pids(hosts: TwoHosts, host: str, pattern: str) -> list[str]:
    programs = hosts.worlds[host].run(["ps", "ax", "-o", "pid=,args="]).stdout
    return re.findall(rf"^\s*(\d+) (?!sh |ssh ).*{pattern}", programs, re.MULTILINE)


def start(hosts: TwoHosts, *options: str) -> subprocess.Popen[str]:
    return hosts.kvm1.spawn(["pyvirt", "domain", "migrate", "web1", "kvm2", *options])


def running(hosts: TwoHosts) -> list[str]:
    return [host for host, state in hosts.copies("web1").items() if state == "running"]


def check_one_goes_on(hosts: TwoHosts) -> str:
    """Wait until one copy is left, which runs; returns its host."""

    def settled() -> list[str]:
        states = hosts.copies("web1")
        assert [*states.values()].count("running") <= 1, states
        return [*states] if [*states.values()] == ["running"] else []

    (host,) = hosts.kvm1.wait_for("one copy that runs", settled, 120)
    hosts.counts_on("web1")
    assert running(hosts) == [host]
    return host


@pytest.mark.parametrize(
    "victim",
    [
        pytest.param(each, id=name, marks=[pytest.mark.long] if name != "the command" else [])
        for name, each in VICTIMS.items()
        if name != "the agent"
    ],
)
def test_before_the_guest_is_handed_over_it_goes_on_at_the_source(
    hosts: TwoHosts, victim: tuple[str, str]
) -> None:
    hosts.boot("web1")
    moving = start(hosts, "--bandwidth", "1")
    in_the_middle(hosts)
    assert hosts.copies("web1")["kvm2"] in {"inmigrate", "prelaunch", "unknown"}
    (pid, *_) = hosts.worlds[victim[0]].wait_for("the victim", lambda: pids(hosts, *victim))
    hosts.worlds[victim[0]].run(["kill", "-KILL", pid])
    assert moving.wait(60)
    assert check_one_goes_on(hosts) == "kvm1"
    hosts.kvm2.wait_for("nothing to be left", lambda: _left(hosts) == [])
    pyvirt(hosts.kvm1, "domain", "migrate", "web1", "kvm2")
    assert check_one_goes_on(hosts) == "kvm2"


def in_the_middle(hosts: TwoHosts) -> None:
    """Wait until memory is being sent."""
    socket = hosts.kvm1.root / "run/pyvirt/domains/web1/qmp"

    def is_active() -> bool:
        asked = qmp_session.ask(socket, "query-migrate", timeout=20)
        sent = int(asked.get("ram", {}).get("transferred", 0))
        return asked.get("status") == "active" and sent > 0

    hosts.kvm1.wait_for("memory to be sent", is_active)


@pytest.mark.long
def test_an_agent_that_is_killed_is_replaced(hosts: TwoHosts) -> None:
    hosts.boot("web1")
    moving = start(hosts, "--bandwidth", "4")
    in_the_middle(hosts)
    (pid, *_) = pids(hosts, *VICTIMS["the agent"])
    hosts.kvm2.run(["kill", "-KILL", pid])
    assert moving.wait(60) == 0
    assert check_one_goes_on(hosts) == "kvm2"
    assert _left(hosts)


def _left(hosts: TwoHosts) -> list[str]:
    """Files of a domain on the destination; a killed agent leaves logs in /run."""
    folders = "/var/lib/pyvirt/domains/web1* /etc/pyvirt/domains/web1* /run/pyvirt/domains/web1*"
    files = hosts.kvm2.run(["sh", "-c", f"ls -d {folders}"], check=False)
    return [name for name in files.stdout.split() if name != "/run/pyvirt/domains/web1"]


@pytest.mark.long
@pytest.mark.parametrize("turn", range(20))
def test_at_a_random_moment_one_copy_goes_on(hosts: TwoHosts, turn: int) -> None:
    chance = random.Random(turn)
    where, pattern = chance.choice([*VICTIMS.values()])
    hosts.boot("web1")
    moving = start(hosts, "--bandwidth", "64", *(["--postcopy"] if turn % 2 else []))
    hosts.kvm1.wait_for("a second QEMU", lambda: "kvm2" in hosts.copies("web1"))
    time.sleep(chance.uniform(0, 0.9))
    for pid in pids(hosts, where, pattern)[:1]:
        if moving.poll() is None:  # else it would be a guest of kvm2 that is killed
            hosts.worlds[where].run(["kill", "-KILL", pid], check=False)
    moving.wait(120)
    assert len(running(hosts)) <= 1
    if (hosts.kvm1.root / "run/pyvirt/domains/web1/handed-over").exists():
        _decide(hosts)
    lost = turn % 2 and where == "kvm2" and "receive" not in pattern
    if lost and "running" not in hosts.copies("web1").values():
        return  # post-copy needs both hosts: the guest is lost with its QEMU there
    check_one_goes_on(hosts)


def _decide(hosts: TwoHosts) -> None:
    """What the owner is told to type: finish it, or go on at the source if all is lost there."""
    done = pyvirt(hosts.kvm1, "domain", "migrate", "web1", "kvm2", "--resume", check=False)
    if done.returncode:
        print(done.stderr)
        pyvirt(hosts.kvm1, "domain", "resume", "--force", "web1", check=False)
