"""`pyvirt domain start web1 && ssh web1`: with a real guest, and nothing in between."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.system.domains import define, define_idle, pyvirt, read
from tests.system.guest import GuestFiles
from tests.system.world import World


@pytest.fixture
def service(lab: World) -> subprocess.Popen[str]:
    """Beside a started network and a domain web1 that is not started."""
    patient = "[names]\npending_wait = 30\n"  # emulated guests on a busy machine
    lab.run(["tee", "/etc/pyvirt/leasewatch.toml"], input=patient)
    return lab.serve()


@pytest.fixture
def started(lab: World, service: subprocess.Popen[str]) -> World:
    """The world in which `service` runs."""
    return lab


def test_a_domain_is_started_and_logged_in_to_without_a_wait_in_between(
    started: World, guest_files: GuestFiles
) -> None:
    started.run(["cp", guest_files.ssh_config, "/etc/ssh/ssh_config.d/guest.conf"])
    both = "pyvirt domain start web1 && ssh -o BatchMode=yes root@web1 hostname"
    done = started.run(["sh", "-c", both], timeout=180)
    assert done.stdout.splitlines()[-1] == "web1"
    assert "not published" not in done.stderr


def test_a_plain_users_program_waits_for_the_address_too(started: World) -> None:
    pyvirt(started, "domain", "start", "web1")
    found = started.run(["getent", "ahostsv4", "web1.lab.internal"], user="nobody", timeout=120)
    assert found.stdout.split()[0].startswith("10.77.0.")


def test_an_emulated_guest_counts_as_just_started_for_five_minutes(started_lab: World) -> None:
    define_idle(started_lab, "deaf1")
    pyvirt(started_lab, "domain", "start", "deaf1")
    state = json.loads(read(started_lab, "/run/pyvirt/domains/deaf1.json"))
    assert 299 <= state["pending_until"] - state["started"] <= 300


def test_stopping_a_domain_ends_the_lookups_that_wait_for_it(started: World) -> None:
    define_idle(started, "deaf1")
    pyvirt(started, "domain", "start", "deaf1")
    waiting = started.spawn(["getent", "hosts", "deaf1"])
    started.wait_for(
        "getent to wait",
        lambda: "pending.sock" in started.run(["ss", "-xa", "state", "connected"]).stdout,
    )
    pyvirt(started, "domain", "stop", "--force", "deaf1")
    assert waiting.wait(20) == 2  # by itself it would end after 30 s


def test_without_the_service_no_lookup_waits(
    started: World, service: subprocess.Popen[str]
) -> None:
    define_idle(started, "deaf1")
    pyvirt(started, "domain", "start", "deaf1")
    started.signal(service, signal.SIGKILL)
    service.wait(60)
    shown = started.run(["getent", "hosts", "deaf1"], check=False)
    assert shown.returncode == 2


def test_a_domain_that_has_ipv6_alone_is_logged_in_to_without_a_wait_in_between(
    started: World, guest_files: GuestFiles
) -> None:
    started.run(["cp", guest_files.ssh_config, "/etc/ssh/ssh_config.d/guest.conf"])
    define(started, guest_files, "six1", append="console=ttyS0 quiet ipv4=no hostname=six1")
    both = "pyvirt domain start six1 && ssh -o BatchMode=yes root@six1 hostname"
    assert started.run(["sh", "-c", both], timeout=180).stdout.splitlines()[-1] == "six1"
    # Also a program that cannot use a link-local address, because it has no scope.
    again = ["ssh", "-6", "-o", "BatchMode=yes", "root@six1", "ip -4 address show dev eth0"]
    assert started.run(again, timeout=120).stdout == ""
    (leased,) = started.run(["leasewatch", "ip", "-6", "six1.lab.internal"]).stdout.split()[:1]
    assert not leased.startswith("fe80:")
    pyvirt(started, "domain", "stop", "--force", "six1")
    gone = ["getent", "ahosts", "six1"]
    started.wait_for("the name to go", lambda: started.run(gone, check=False).returncode == 2)
    assert leased not in started.run(["ip", "neighbour"]).stdout


def test_who_asks_for_ipv6_alone_gets_it_of_a_domain_that_has_both(started: World) -> None:
    pyvirt(started, "domain", "start", "web1")
    ask = ["getent", "ahostsv6", "web1"]
    # An emulated guest may take longer than a lookup waits (names/pending.py): it is asked again.
    started.wait_for(
        "an IPv6 address of its card",
        lambda: ":5054:ff:fe" in started.run(ask, user="nobody", timeout=120).stdout,
        timeout=180,
    )
