"""A file that stands still within a rewrite, because its writer does: no lease goes."""

from __future__ import annotations

import signal
import subprocess

import msgspec
import pytest

from leasewatch.daemon import alive
from leasewatch.leases.address_book import FirstSeen
from leasewatch.leases.lease_files import LeaseFiles
from leasewatch.leases.tracker import EQUAL_SECONDS, LeaseTracker
from leasewatch.model import LeaseFile
from leasewatch.sources import dnsmasq
from tests.waiting import wait_for

FILE = LeaseFile(path="/l/lab.leases", network="lab", suffix="internal")
WALL = 1_000_000.0


def lines(*numbers: int) -> bytes:
    text = "2000000 52:54:00:00:00:{0:02x} 10.0.0.{0} vm{0} *\n"
    return "".join(text.format(number) for number in numbers).encode()


def names(tracker: LeaseTracker) -> set[str | None]:
    return {lease.hostname for lease in tracker.book.leases()}


@pytest.mark.parametrize("part", [b"", lines(1)])
def test_no_lease_goes_while_the_writer_is_at_work_however_long(part: bytes) -> None:
    tracker = LeaseTracker(FILE, dnsmasq.SOURCE, FirstSeen())
    for at in (0.0, 0.001):
        tracker.observe(lines(1, 2, 3), at, WALL)
    for at in (10.0, 10.001, 11.0, 20.0):
        assert not tracker.observe(part, at, WALL, writer="working").changes
    outcome = tracker.observe(part, 20.001, WALL, writer="working")
    assert outcome.again == EQUAL_SECONDS  # no event says that the writer goes on
    tracker.observe(part, 20.05, WALL, writer="waiting")
    assert names(tracker) == ({"vm1"} if part else set())


def test_a_writer_that_is_ever_at_work_still_releases_leases() -> None:
    tracker = LeaseTracker(FILE, dnsmasq.SOURCE, FirstSeen())
    for at in (0.0, 0.001):
        tracker.observe(lines(1, 2, 3), at, WALL)
    for version in range(4, 10):
        for again in (0.0, 0.001):
            at = 10 + version + again
            tracker.observe(lines(version, 1, 2), at, WALL, writer="working")
    assert "vm3" not in names(tracker)


def test_a_stopped_or_busy_process_is_at_work_and_a_waiting_one_is_not() -> None:
    program = subprocess.Popen(["sleep", "600"])
    try:
        file = msgspec.structs.replace(
            FILE, writer_pid=program.pid, writer_born=alive.born(program.pid)
        )
        files = LeaseFiles(FirstSeen())
        files.watch([file])
        (watched,) = files._watched.values()
        wait_for("it to wait", lambda: watched._writer() == "waiting", 20)
        program.send_signal(signal.SIGSTOP)
        wait_for("it to stand still", lambda: watched._writer() == "working", 20)
        program.kill()
        wait_for("its end", lambda: watched._writer() == "dead", 20)
    finally:
        program.kill()
        program.wait()
