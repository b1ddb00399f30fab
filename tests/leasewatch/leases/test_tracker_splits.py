"""Large files: only what differs is split, and not while most of a file is missing.

What a read adds and lacks is the same either way.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leasewatch.leases.address_book import FirstSeen
from leasewatch.leases.tracker import LeaseTracker, differing
from leasewatch.model import LeaseFile
from leasewatch.sources import dnsmasq
from leasewatch.sources.dnsmasq import lines

FILE = LeaseFile(path="/l/lab.leases", network="lab", suffix="internal")
WALL = 1_000_000.0

line = st.sampled_from([b"a", b"b", b"bb", b"c", b"cb", b"", b"d" * 9])
read = st.builds(
    lambda lines, rest: b"".join(line + b"\n" for line in lines) + rest,
    st.lists(line, max_size=8),
    st.sampled_from([b"", b"a", b"bb"]),
)


@given(st.lists(read, max_size=6))
def test_the_tracker_has_the_lines_of_each_read_and_no_others(reads: list[bytes]) -> None:
    tracker = LeaseTracker(FILE, dnsmasq.SOURCE, FirstSeen())
    for number, data in enumerate(reads):
        for seconds in (0, 1, 2):
            tracker.observe(data, 10 * number + seconds, WALL)
        known = {b"a", b"b", b"bb", b"c", b"cb", b"", b"d" * 9}
        assert set(filter(tracker.has, known)) == set(lines(data, ""))


@given(read, read)
def test_the_lines_that_differ_are_between_a_common_beginning_and_a_common_end(
    old: bytes, new: bytes
) -> None:
    was, now = differing(old, new)
    assert set(lines(old, "")) - set(lines(new, "")) <= set(lines(was, ""))
    assert set(lines(new, "")) - set(lines(old, "")) <= set(lines(now, ""))
    assert was in old
    assert now in new


@pytest.mark.parametrize("at", [0, 1, 4_000, 9_998, 9_999])
def test_only_changed_lines_of_a_large_file_are_split(at: int) -> None:
    text = [b"%d 52:54:00:00:00:01 10.0.0.1 vm%d *\n" % (n, n) for n in range(10_000)]
    changed = [*text[:at], b"new\n", *text[at + 1 :]]
    assert differing(b"".join(text), b"".join(changed)) == (text[at], b"new\n")
    was, now = differing(b"".join(changed), b"first\n" + b"".join(changed))
    assert now == b"first\n" + was
    assert was.count(b"\n") == 1


def leases(count: int) -> bytes:
    text = "2000000 52:54:00:00:00:01 10.0.%d.%d vm%d *\n"
    return "".join(text % (n >> 8, n & 255, n) for n in range(count)).encode()


def test_a_large_file_that_is_half_written_is_not_split() -> None:
    tracker = LeaseTracker(FILE, dnsmasq.SOURCE, FirstSeen())
    whole, part = leases(3000), leases(1000)
    for at in (0.0, 0.001):
        tracker.observe(whole, at, WALL)
    for at in (10.0, 10.001, 10.1):
        outcome = tracker.observe(part, at, WALL)
        assert not outcome.changes
        assert outcome.again == pytest.approx(10.5 - at)
        assert tracker.has(whole.splitlines()[-1])
    assert tracker.observe(whole, 10.2, WALL).again == 0.0
    assert len(list(tracker.book.leases())) == 3000


def test_a_large_file_that_shrank_and_changes_ever_again_is_read_after_half_a_second() -> None:
    tracker = LeaseTracker(FILE, dnsmasq.SOURCE, FirstSeen())
    for at in (0.0, 0.001):
        tracker.observe(leases(3000), at, WALL)
    for step in range(20):
        data = b"2000000 52:54:00:00:00:02 10.9.0.%d new *\n" % step + leases(1000)
        for again in (0.0, 0.001):
            tracker.observe(data, 10 + 0.1 * step + again, WALL)
        assert tracker.has(data.splitlines()[0]) == (step > 4)
    assert len(list(tracker.book.leases())) < 1010
