"""A move is cancelled: the guest goes on at the source, and the destination keeps nothing of it."""

from __future__ import annotations

import signal
from subprocess import PIPE, Popen

import pytest

from tests.system.domains import pyvirt, read
from tests.system.two_hosts import TwoHosts

pytestmark = pytest.mark.long
SLOW = ("domain", "migrate", "web1", "kvm2", "--bandwidth", "1")
"""So that it lasts for minutes."""
LEFT = "ls /run/pyvirt/domains /var/lib/pyvirt/domains /etc/pyvirt/domains 2>/dev/null | grep web"


def moving(hosts: TwoHosts) -> Popen[str]:
    """A move that has begun to send memory."""
    move = hosts.kvm1.spawn(["pyvirt", *SLOW], stderr=PIPE, stdout=PIPE)
    said = ""
    assert move.stderr is not None
    while "memory " not in said:
        said = move.stderr.readline()
        assert said, "the move has ended"
    return move


def check(hosts: TwoHosts, move: Popen[str]) -> None:
    says = move.communicate(timeout=60)[1]
    assert says.splitlines()[-1] == "pyvirt: the move of web1 was cancelled: it goes on here"
    assert move.returncode == 130
    assert hosts.copies("web1") == {"kvm1": "running"}
    hosts.counts_on("web1")
    hosts.kvm2.wait_for(
        "nothing to be left", lambda: hosts.kvm2.run(["sh", "-c", LEFT], check=False).returncode
    )


def test_ctrl_c_and_another_terminal_cancel_a_move(hosts: TwoHosts) -> None:
    address = hosts.boot("web1")
    session = hosts.session(address)
    move = moving(hosts)
    done = pyvirt(hosts.kvm1, "domain", "migrate", "web1", "--cancel")
    assert done.stdout == "the move of web1 is cancelled: it goes on here\n"
    check(hosts, move)
    move = moving(hosts)
    hosts.kvm1.signal(move, signal.SIGINT)
    check(hosts, move)
    session.goes_on()
    late = pyvirt(hosts.kvm1, "domain", "migrate", "web1", "--cancel", check=False)
    assert late.stderr.splitlines() == [
        "pyvirt: domain web1 is not being moved",
        "  hint: see where it runs: pyvirt domain show web1",
    ]
    without = pyvirt(hosts.kvm1, "domain", "migrate", "web1", check=False)
    assert (without.returncode, without.stderr.splitlines()[0]) == (2, "pyvirt: HOST is missing")
    pyvirt(hosts.kvm1, "domain", "migrate", "web1", "kvm2")
    assert hosts.copies("web1") == {"kvm2": "running"}
    assert read(hosts.kvm2, "/etc/pyvirt/domains/web1.toml")


def test_a_guest_that_shuts_down_meanwhile_is_not_moved(hosts: TwoHosts) -> None:
    address = hosts.boot("web1")
    move = moving(hosts)
    hosts.log_in(address, "poweroff -f &")
    assert move.communicate(timeout=60)[1].splitlines()[-2:] == [
        "pyvirt: the guest of web1 ended while it moved",
        "  hint: sudo pyvirt domain start web1",
    ]
    assert move.returncode == 1
    hosts.kvm2.wait_for(
        "nothing to be left", lambda: hosts.kvm2.run(["sh", "-c", LEFT], check=False).returncode
    )
    pyvirt(hosts.kvm1, "domain", "start", "web1")
