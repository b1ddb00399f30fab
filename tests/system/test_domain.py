"""Domains for real: QEMU (emulated), taps, dnsmasq, the console and the power button."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from pathlib import Path

from leasewatch.files import locks
from tests.system.domains import (
    LEASES,
    RUN,
    define,
    lease,
    log_in,
    pyvirt,
    read,
    row,
    traces,
    wait_until_stopped,
)
from tests.system.guest import GuestFiles
from tests.system.world import World


def test_a_domain_lives_from_start_to_power_button_and_leaves_nothing(
    lab: World, guest_files: GuestFiles
) -> None:
    lab.serve()
    started = pyvirt(lab, "domain", "start", "web1")
    assert started.stderr == ""
    state = json.loads(read(lab, RUN / "web1.json"))
    assert state["pending_until"] > state["started"]
    address = lease(lab, "web1")
    lab.wait_for("web1's address", lambda: address in str(row(lab, "web1")["addresses"]))
    assert lab.run(["getent", "ahostsv4", "web1"]).stdout.split()[0] == address
    assert "web1" in lab.run(["getent", "hosts", address]).stdout
    lab.run(["ping", "-c", "1", "-W", "10", "web1"], user="nobody")
    assert log_in(lab, guest_files, "web1", "hostname").strip() == "web1"
    (fields,) = [line.split() for line in read(lab, LEASES).splitlines() if address in line]
    assert fields[3] == "web1"

    again = pyvirt(lab, "domain", "start", "web1")
    assert "was started already" in again.stdout
    assert json.loads(read(lab, RUN / "web1.json")) == state

    pyvirt(lab, "domain", "stop", "web1", "--timeout", "90s")
    assert row(lab, "web1")["state"] == "stopped"
    lab.wait_for("nothing to be left", lambda: traces(lab) == [])
    lab.wait_for(
        "the name to be gone", lambda: lab.run(["getent", "hosts", "web1"], check=False).returncode
    )


def test_a_start_without_the_service_says_that_the_name_is_not_published(idle_lab: World) -> None:
    alone = pyvirt(idle_lab, "domain", "start", "web1")
    assert "leasewatch serve" in alone.stderr


def test_auto_takes_what_works_here_and_says_so_once(lab: World, guest_files: GuestFiles) -> None:
    define(lab, guest_files, "auto1", accel="auto")
    first = pyvirt(lab, "domain", "start", "auto1")
    verdict = json.loads(read(lab, "/run/pyvirt/accel.json"))
    assert ("guests are emulated" in first.stderr) == (verdict["accel"] == "tcg")
    lease(lab, "auto1")
    pyvirt(lab, "domain", "stop", "--force", "auto1")
    assert "guests are emulated" not in pyvirt(lab, "domain", "start", "auto1").stderr


def test_stop_ends_a_guest_that_has_only_just_been_started(idle_lab: World) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    pyvirt(idle_lab, "domain", "stop", "--force", "web1")
    idle_lab.wait_for("nothing to be left", lambda: traces(idle_lab) == [])
    pyvirt(idle_lab, "domain", "stop", "web1")


def test_what_a_killed_parent_leaves_is_cleared_up_by_the_next_command(lab: World) -> None:
    lab.serve()
    pyvirt(lab, "domain", "start", "web1")
    lease(lab, "web1")
    found = ["getent", "hosts", "web1.lab.internal"]
    lab.wait_for("web1 to answer", lambda: not lab.run(found, check=False).returncode)
    lab.run(["kill", "-KILL", str(row(lab, "web1")["pid"])])
    lab.wait_for(
        "QEMU to die with its parent",
        lambda: "qemu-system" not in lab.run(["ps", "ax", "-o", "args="]).stdout,
    )
    # Nobody clears up yet: the name is gone all the same.
    lab.wait_for("web1 to be forgotten", lambda: lab.run(found, check=False).returncode)
    assert "web1" in pyvirt(lab, "domain", "list").stdout
    lab.wait_for("nothing to be left", lambda: traces(lab) == [])
    pyvirt(lab, "domain", "start", "web1")
    assert row(lab, "web1")["state"] == "running"


def test_nothing_is_cleaned_up_while_another_command_acts_on_the_domain(idle_lab: World) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    idle_lab.run(["kill", "-KILL", str(row(idle_lab, "web1")["pid"])])
    with locks.exclusive(idle_lab.root / "run/pyvirt/locks/domain-web1", 5):
        assert row(idle_lab, "web1")["state"] == "stopped"
        assert "web1.json" in traces(idle_lab)
    assert row(idle_lab, "web1")["state"] == "stopped"
    assert "web1.json" not in traces(idle_lab)


def test_a_domain_that_has_only_just_stopped_can_be_started(idle_lab: World) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    command_lock = idle_lab.root / "run/pyvirt/locks/domain-web1"
    with locks.exclusive(command_lock.with_name("mac-filter"), 5):  # its parent cannot end
        idle_lab.run(["kill", "-QUIT", str(row(idle_lab, "web1")["pid"])])
        idle_lab.wait_for("its end", lambda: row(idle_lab, "web1")["state"] == "stopped")
        start = idle_lab.spawn(["pyvirt", "domain", "start", "web1"])
        idle_lab.wait_for("the command", command_lock.exists)
    assert start.wait(60) == 0
    assert row(idle_lab, "web1")["state"] == "running"


def test_a_qemu_that_is_killed_is_cleared_up_and_reported(idle_lab: World) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    pid = row(idle_lab, "web1")["pid"]
    idle_lab.run(["sh", "-c", f"kill -KILL $(ps -o pid= --ppid {pid})"])
    wait_until_stopped(idle_lab, "web1")
    idle_lab.wait_for(
        "its report", lambda: "QEMU ended by signal 9" in read(idle_lab, RUN / "web1/log")
    )
    idle_lab.wait_for("nothing to be left", lambda: traces(idle_lab) == [])


def test_the_console_takes_one_person_at_a_time_and_pipes(lab: World) -> None:
    pyvirt(lab, "domain", "start", "web1")
    lab.wait_for("a shell", lambda: "/ #" in read(lab, RUN / "web1/console.log"), 60)
    first = lab.spawn(
        ["pyvirt", "domain", "console", "web1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    inside: list[str | Path] = ["test", "-e", RUN / "web1/console.lock"]
    lab.wait_for("somebody to join", lambda: lab.run(inside, check=False).returncode == 0)
    second = pyvirt(lab, "domain", "console", "web1", check=False)
    assert second.returncode == 1
    assert "in use by process" in second.stderr
    first.communicate(timeout=60)

    def answers() -> bool:  # a busy guest may be too late for a pipe that has ended
        piped = lab.run(["pyvirt", "domain", "console", "web1"], input="echo $((6*7))\n")
        return "42" in piped.stdout

    lab.wait_for("an answer to what is piped in", answers)
    lab.wait_for("it to be in the log", lambda: "42" in read(lab, RUN / "web1/console.log"))
    closed = pyvirt(lab, "domain", "console", "web1", user="nobody", check=False)
    assert "needs root" in closed.stderr


def test_a_guest_writes_to_its_overlay_and_never_to_the_image(
    lab: World, guest_files: GuestFiles
) -> None:
    image = Path("/var/lib/base.qcow2")
    lab.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"])
    before = lab.run(["sha256sum", image]).stdout
    define(lab, guest_files, "db1", "--disk", image)
    pyvirt(lab, "domain", "start", "db1")
    address = lease(lab, "db1")
    log_in(lab, guest_files, address, "echo kept | dd of=/dev/vda conv=fsync 2>/dev/null; echo ok")
    pyvirt(lab, "domain", "stop", "--force", "db1")
    assert lab.run(["sha256sum", image]).stdout == before
    overlay = "/var/lib/pyvirt/domains/db1/disk.qcow2"
    read_back = ["qemu-io", "-r", "-c", "read -P 0x6b 0 1", overlay]
    assert "failed" not in lab.run(read_back).stdout
    pyvirt(lab, "domain", "delete", "db1")
    assert lab.run(["test", "-e", overlay], check=False).returncode == 1
    assert lab.run(["sha256sum", image]).stdout == before


def test_a_domain_that_cannot_start_says_why_and_leaves_nothing(idle_lab: World) -> None:
    options = ("--kernel", "/bin/sh", "--memory", "96", "--accel", "tcg")
    pyvirt(idle_lab, "domain", "create", "bad1", "--network", "lab", *options)
    failed = pyvirt(idle_lab, "domain", "start", "bad1", check=False)
    assert failed.returncode == 1
    assert "QEMU ended" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert row(idle_lab, "bad1")["state"] == "stopped"
    idle_lab.wait_for("nothing to be left", lambda: traces(idle_lab) == [])


def test_two_commands_that_start_a_domain_at_once_start_it_once(idle_lab: World) -> None:
    both = [idle_lab.spawn(["pyvirt", "domain", "start", "web1"]) for _ in range(2)]
    assert [one.wait(30) for one in both] == [0, 0]
    programs = idle_lab.run(["ps", "ax", "-o", "args="]).stdout
    assert sum(line.startswith("/usr/bin/qemu-system") for line in programs.splitlines()) == 1


def test_a_network_that_is_ended_under_a_domain_says_so_and_takes_it_back(idle_lab: World) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    joined = ["ip", "-brief", "link", "show", "master", "pv-lab"]
    before = idle_lab.run(joined).stdout.split()[0]
    network = json.loads(read(idle_lab, "/run/pyvirt/networks/lab.json"))
    idle_lab.run(["kill", "-TERM", str(network["pid"])])  # as `systemctl stop` does
    there = ["ip", "link", "show", "pv-lab"]
    idle_lab.wait_for("it to end", lambda: idle_lab.run(there, check=False).returncode == 1)
    assert read(idle_lab, "/run/pyvirt/networks/lab/log") == (
        "pyvirt: running domains have no network now: web1\n  hint: sudo pyvirt network start lab\n"
    )
    pyvirt(idle_lab, "network", "start", "lab")
    assert idle_lab.run(joined).stdout.split()[0] == before


def test_a_running_domain_cannot_be_deleted_nor_its_network_stopped(idle_lab: World) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    refused = pyvirt(idle_lab, "domain", "delete", "web1", check=False)
    assert (refused.returncode, "pyvirt domain stop web1" in refused.stderr) == (1, True)
    refused = pyvirt(idle_lab, "network", "stop", "lab", check=False)
    assert (refused.returncode, "web1" in refused.stderr) == (1, True)
    for mistyped in (("network", "stop", "lab/"), ("domain", "stop", "--force", "web1/")):
        assert "name\n" in pyvirt(idle_lab, *mistyped, check=False).stderr
    for action in ("stop", "restart", "pause", "delete"):
        refused = pyvirt(idle_lab, "domain", action, "web1.json", "wbe1", check=False)
        what, listed, other, _ = refused.stderr.splitlines()
        assert what == 'pyvirt: "web1.json" is no domain\'s name'
        assert listed == "  hint: pyvirt domain list"
        assert other == 'pyvirt: there is no domain "wbe1"'
    assert row(idle_lab, "web1")["state"] == "running"


def test_a_domain_that_is_starting_and_a_network_that_is_stopping_do_not_both_succeed(
    idle_lab: World,
) -> None:
    with locks.exclusive(idle_lab.root / "run/pyvirt/locks/network-lab", 5):
        stop = idle_lab.spawn(["pyvirt", "network", "stop", "lab"])
        time.sleep(1.5)  # it has most likely seen by now that no domain runs
        start = idle_lab.spawn(["pyvirt", "domain", "start", "web1"])
        with contextlib.suppress(subprocess.TimeoutExpired):
            start.wait(5)
    assert sorted((stop.wait(60), start.wait(60))) == [0, 1]


def test_what_is_hinted_of_several_domains_works_as_it_is_typed(
    lab: World, guest_files: GuestFiles
) -> None:
    define(lab, guest_files, "web2")
    started = pyvirt(lab, "domain", "start", "web1", "web2")
    said = ["domain web1 is started", "domain web2 is started"]
    assert sorted(started.stdout.splitlines()) == said
    lease(lab, "web1")  # a guest with a lease reacts to the power button
    lease(lab, "web2")
    for action, ended in (("stop", "stopped"), ("delete", "deleted")):
        refused = pyvirt(lab, "network", action, "lab", check=False)
        typed = refused.stderr.partition("hint: sudo ")[2].split()
        assert typed[-2:] == ["web1", "web2"]
        done = lab.run(typed, timeout=120)
        said = [f"domain web1 is {ended}", f"domain web2 is {ended}"]
        assert sorted(done.stdout.splitlines()) == said
        pyvirt(lab, "network", action, "lab")


def test_dnsmasq_gets_both_cards_of_a_domain_on_one_network(idle_lab: World) -> None:
    cards = ("--network", "lab", "--network", "lab", "--mac", "52:54:00:00:00:01")
    made = pyvirt(idle_lab, "domain", "create", "two", *cards, "--kernel", "/bin/sh").stdout
    mac = r"MAC 52:54:00:[0-9a-f:]{8} on lab"
    assert re.fullmatch(f"domain two is defined: {mac}, {mac}\n", made)


def test_each_of_several_domains_is_tried(idle_lab: World) -> None:
    done = pyvirt(idle_lab, "domain", "start", "wbe1", "web1", check=False)
    assert (done.returncode, done.stdout) == (1, "domain web1 is started\n")
    assert 'pyvirt: there is no domain "wbe1"\n  hint: did you mean web1?' in done.stderr


REFUSED = [
    ("start wbe1", 'no domain "wbe1"', "did you mean web1?"),
    ("console web1", "web1 is not running", "pyvirt domain start web1"),
    ("create web1 --network lab --kernel /bin/sh", "web1 already exists", "show web1"),
    ("create x --network lba --kernel /bin/sh", 'network "lba"', "mean lab?"),
]


def test_a_failure_is_one_line_with_a_hint(idle_lab: World) -> None:
    for words, why, hint in REFUSED:
        refused = pyvirt(idle_lab, "domain", *words.split(), check=False)
        assert refused.returncode == 1
        what, how = refused.stderr.splitlines()
        assert why in what
        assert hint in how


def test_a_plain_user_can_list_and_gets_a_hint_where_root_is_needed(idle_lab: World) -> None:
    pyvirt(idle_lab, "domain", "start", "web1")
    assert "running" in pyvirt(idle_lab, "domain", "list", user="nobody").stdout
    shown = pyvirt(idle_lab, "domain", "show", "web1", user="nobody").stdout
    assert re.search(r"^memory: +96 MiB$", shown, re.MULTILINE)
    assert re.search(r"^started: +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d$", shown, re.MULTILINE)
    refused = pyvirt(idle_lab, "domain", "stop", "web1", user="nobody", check=False)
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "pyvirt: pyvirt domain stop needs root",
        "  hint: sudo pyvirt domain stop web1",
    ]
