"""What `pyvirt domain stats` prints, with a real QEMU (emulated)."""

from __future__ import annotations

import json
import os
import pty
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.system.domains import define_idle, lease, pyvirt
from tests.system.world import World

_SEND = (
    "import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
    "for _ in range(300): s.sendto(bytes(1000), (sys.argv[1], 9))"
)


def stats(world: World, *words: str) -> dict[str, Any]:
    (row,) = json.loads(pyvirt(world, "domain", "stats", "-o", "json", *words).stdout)
    return dict(row)


def wait_for_lines(world: World, file: Path, count: int) -> None:
    world.wait_for(f"{count} lines", lambda: len(file.read_text().splitlines()) >= count)


def test_a_guest_receives_what_the_host_sends_to_it(lab: World) -> None:
    pyvirt(lab, "domain", "start", "web1")
    address = lease(lab, "web1")
    before = stats(lab, "web1")
    lab.run(["python3", "-c", _SEND, address])
    lab.wait_for("the guest to get it", lambda: stats(lab)["received"] > before["received"] + 3e5)
    now = stats(lab, "web1")
    assert now["sent"] - before["sent"] < 200_000
    assert now["packets_received"] - before["packets_received"] >= 300
    assert now["cpu_time"] >= now["vcpu_time"] > before["vcpu_time"] > 0
    assert len(now["vcpus"]) == 1
    assert now["memory"] == 96 << 20 < now["rss"]


@pytest.fixture
def running(idle_lab: World) -> World:
    """With a running `web1` that does nothing."""
    pyvirt(idle_lab, "domain", "start", "web1")
    return idle_lab


def test_a_plain_user_sees_what_the_host_knows(running: World) -> None:
    shown = pyvirt(running, "domain", "stats", "-o", "json", user="nobody").stdout
    (plain,) = json.loads(shown)
    root = stats(running)
    assert plain["rss"] > 0
    assert plain["cpu_time"] > 0
    assert plain["cards"][0]["mac"] == root["cards"][0]["mac"]
    assert [plain[key] for key in ("memory", "read", "vcpu_time")] == [None] * 3
    assert [root[key] for key in ("memory", "read")] == [96 << 20, 0]
    table = pyvirt(running, "domain", "stats", user="nobody").stdout.splitlines()
    assert table[0].split()[:3] == ["NAME", "STATE", "CPU"]
    assert table[1].split()[0] == "web1"
    assert pyvirt(running, "domain", "stats", "-o", "name").stdout == "web1\n"


def test_perf_events_are_counted_and_those_of_missing_hardware_are_named(running: World) -> None:
    done = pyvirt(running, "domain", "stats", "--perf", "-o", "json", "web1")
    (row,) = json.loads(done.stdout)
    perf = row["perf"]
    if perf["task_clock"] is None:
        pytest.skip("this container may not count perf events")
    assert perf["context_switches"] > 0
    missing = [event for event, count in perf.items() if count is None]
    assert all(event in done.stderr for event in missing)
    table = pyvirt(running, "domain", "stats", "--perf").stdout
    assert "CONTEXT_SWITCHES" in table


def test_watching_prints_lines_into_a_pipe_until_the_domain_ends(
    running: World, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    with said.open("w") as stdout:
        watching = running.spawn(["pyvirt", "domain", "stats", "--watch", "web1"], stdout=stdout)
    wait_for_lines(running, said, 3)
    pyvirt(running, "domain", "stop", "--force", "web1")
    assert watching.wait(20) == 1
    heading, *lines = said.read_text().splitlines()
    assert heading.split()[:4] == ["TIME", "NAME", "STATE", "CPU"]
    assert {line.split()[1] for line in lines} == {"web1"}
    assert lines[0].endswith("/s")


def test_watching_for_programs_prints_totals(running: World, tmp_path: Path) -> None:
    for output in ("json", "csv"):
        said = tmp_path / output
        words = ["pyvirt", "domain", "stats", "--watch", "-o", output]
        with said.open("w") as stdout:
            watching = running.spawn(words, stdout=stdout)
        wait_for_lines(running, said, 3)
        running.signal(watching, signal.SIGINT)
        assert watching.wait(20) == 0
    found = [json.loads(line) for line in (tmp_path / "json").read_text().splitlines()]
    assert {row["name"] for row in found} == {"web1"}
    assert found[0]["time"] < found[1]["time"]
    heading, *lines = (tmp_path / "csv").read_text().splitlines()
    assert heading.startswith("time,name,state,cpu_time,")
    assert {line.split(",")[1] for line in lines} == {"web1"}


def test_watching_on_a_terminal_redraws_it_and_ctrl_c_ends_it(running: World) -> None:
    ours, theirs = pty.openpty()
    watching = running.spawn(["pyvirt", "domain", "stats", "--watch"], stdout=theirs, stderr=theirs)
    drawn = b""
    while drawn.count(b"\x1b[H") < 2:
        drawn += os.read(ours, 4096)
    running.signal(watching, signal.SIGINT)
    assert watching.wait(20) == 0
    os.close(theirs)
    drawn += os.read(ours, 4096)
    os.close(ours)
    assert b"web1" in drawn
    assert b"Traceback" not in drawn
    assert drawn.endswith(b"\r\n\r\n")


REFUSED = [
    ("wbe1", "root", 1, 'there is no domain "wbe1"', "did you mean web1?"),
    ("../x", "root", 1, "../x", ""),
    ("db1", "root", 1, "domain db1 is not running", "sudo pyvirt domain start db1"),
    ("--watch db1", "root", 1, "domain db1 is not running", "sudo pyvirt domain start db1"),
    ("--perf", "nobody", 1, "--perf needs root", "sudo pyvirt domain stats --perf"),
    ("-o yaml", "root", 2, "yaml", ""),
    ("--every 2", "root", 2, "--every", ""),
]


def test_what_cannot_be_shown_is_said_in_one_line(idle_lab: World) -> None:
    define_idle(idle_lab, "db1")
    for words, user, code, what, hint in REFUSED:
        done = pyvirt(idle_lab, "domain", "stats", *words.split(), check=False, user=user)
        assert (done.returncode, done.stdout) == (code, ""), words
        assert what in done.stderr
        assert hint in done.stderr
        assert len(done.stderr.splitlines()) <= 2, words
    nothing = pyvirt(idle_lab, "domain", "stats")
    assert (nothing.stdout, "no domain is running" in nothing.stderr) == ("", True)
    assert pyvirt(idle_lab, "domain", "stats", "-o", "json").stdout == "[]\n"
