"""Torn reads, renewals, expiry: the tracker under an explicit clock."""

from __future__ import annotations

import random

import pytest

from leasewatch.addresses import text
from leasewatch.leases.address_book import FirstSeen
from leasewatch.leases.tracker import LeaseTracker, Outcome, Writer
from leasewatch.model import Lease, LeaseChange, LeaseFile
from leasewatch.sources import dnsmasq, libvirt

FILE = LeaseFile(path="/l/lab.leases", network="lab", suffix="internal")
WALL = 1_000_000.0
LATER = 2_000_000


def line(number: int, expires: int = LATER, name: str | None = None, mac: int | None = None) -> str:
    hwaddr = f"52:54:00:00:00:{mac or number:02x}"
    return f"{expires} {hwaddr} 10.0.0.{number} {name or f'vm{number}'} *\n"


def lines(*numbers: int) -> bytes:
    return "".join(map(line, numbers)).encode()


class Reader:
    """Reads what it is given at the times it is given, and keeps what holds by the changes."""

    def __init__(self) -> None:
        self.tracker = LeaseTracker(FILE, dnsmasq.SOURCE, FirstSeen())
        self.held: dict[str, Lease] = {}
        self.now = 0.0
        self.wall = WALL

    def read(
        self, data: bytes | str, at: float | None = None, writer: Writer = "waiting"
    ) -> Outcome:
        self.now = self.now + 0.0001 if at is None else at
        raw = data.encode() if isinstance(data, str) else data
        outcome = self.tracker.observe(raw, self.now, self.wall, writer=writer)
        self.take(outcome.changes)
        return outcome

    def twice(self, data: bytes | str) -> None:
        self.read(data)
        self.read(data)

    def take(self, changes: list[LeaseChange]) -> None:
        for change in changes:
            address = text((change.new or change.old).address)  # type: ignore[union-attr]
            assert self.held.get(address) == change.old
            if change.new is None:
                del self.held[address]
            else:
                self.held[address] = change.new
        assert set(self.tracker.book.leases()) == set(self.held.values())

    @property
    def numbers(self) -> set[int]:
        return {int(address.rpartition(".")[2]) for address in self.held}


def test_a_line_counts_from_two_successive_reads_on() -> None:
    reader = Reader()
    assert reader.read(lines(1, 2)).again == 0
    assert reader.numbers == set()
    assert reader.read(lines(1, 2)).again is None
    assert reader.numbers == {1, 2}


def test_what_two_different_reads_share_counts_at_once() -> None:
    reader = Reader()
    reader.read(lines(1, 2))
    assert reader.read(lines(1, 2, 3)).again == 0
    assert reader.numbers == {1, 2}


def test_a_line_without_its_newline_never_counts() -> None:
    reader = Reader()
    torn = lines(1, 2)[:-10]
    reader.twice(torn)
    reader.read(torn, at=10)
    assert reader.numbers == {1}


@pytest.mark.parametrize(
    ("kept", "left", "wait"),
    [
        ((1, 2, 3), (4,), 0.05),
        ((1, 2), (3, 4), 0.5),
        ((), (1,), 0.5),
        ((), (1, 2, 3, 4), 0.5),
    ],
)
def test_lines_go_when_equal_reads_lack_them_for_long_enough(
    kept: tuple[int, ...], left: tuple[int, ...], wait: float
) -> None:
    reader = Reader()
    reader.twice(lines(*kept, *left))
    reader.read(lines(*kept), at=10)
    assert reader.read(lines(*kept), at=10.001).again == pytest.approx(wait - 0.001)
    reader.read(lines(*kept), at=10 + wait - 0.002)
    assert reader.numbers == {*kept, *left}
    reader.read(lines(*kept), at=10 + wait + 0.001)
    assert reader.numbers == set(kept)


@pytest.mark.parametrize("cut", [0, 10, len(lines(1)), len(lines(1, 2)), len(lines(1, 2, 3)) - 1])
def test_a_rewrite_seen_half_done_loses_nothing(cut: int) -> None:
    reader = Reader()
    whole = lines(1, 2, 3, 4)
    reader.twice(whole)
    for at in (10, 10.01, 10.02, 10.03):
        reader.read(whole[:cut], at=at)
    reader.read(whole, at=10.04)
    assert reader.numbers == {1, 2, 3, 4}
    assert reader.read(whole, at=10.05).again is None


@pytest.mark.parametrize(
    "harmed",
    [lines(1, 2)[:-5], lines(1)[:9], bytes(200), b"\n", b"junk\nmore of it\n"],
    ids=["cut", "cut in its first line", "zeros", "an empty line", "junk"],
)
def test_a_file_that_is_cut_or_not_understood_takes_nothing_back_however_long(
    harmed: bytes,
) -> None:
    reader = Reader()
    reader.twice(lines(1, 2, 3, 4))
    reader.read(harmed, at=10)
    reader.read(harmed, at=10)
    assert reader.read(harmed, at=3600).again is None
    assert reader.numbers == {1, 2, 3, 4}
    reader.read(lines(1, 2), at=3601)
    reader.read(lines(1, 2), at=3602)
    assert reader.numbers == {1, 2}


def test_a_file_that_holds_but_the_servers_duid_or_faults_beside_leases_is_believed() -> None:
    reader = Reader()
    reader.twice(lines(1, 2))
    reader.read(b"junk\n" + lines(1), at=10)
    reader.read(b"junk\n" + lines(1), at=11)
    assert reader.numbers == {1}
    reader.read(b"duid 00:01\n", at=12)
    reader.read(b"duid 00:01\n", at=13)
    assert reader.numbers == set()


def test_a_rewrite_that_grows_line_by_line_is_one_version_however_slow() -> None:
    reader = Reader()
    reader.twice(lines(1, 2, 3, 4, 5, 6, 7, 8))
    for i, count in enumerate((5, 6, 7)):
        reader.read(lines(*range(1, count + 1)), at=10 + i * 0.04)
    assert reader.numbers == {1, 2, 3, 4, 5, 6, 7, 8}


def test_under_constant_change_a_line_goes_after_three_complete_versions() -> None:
    reader = Reader()
    reader.twice(lines(1, 2, 3, 4))
    for i in range(3):
        assert 4 in reader.numbers
        reader.read(line(1, LATER + i) + line(2) + line(3), at=10 + i * 0.03)
    assert reader.numbers == {1, 2, 3}


def test_versions_that_end_within_a_line_prove_nothing() -> None:
    reader = Reader()
    reader.twice(lines(1, 2, 3, 4))
    for i in range(6):
        reader.read((line(1, LATER + i) + line(2) + line(3))[:-5], at=10 + i * 0.02)
    assert reader.numbers == {1, 2, 3, 4}


def test_three_versions_within_a_moment_prove_nothing() -> None:
    reader = Reader()
    reader.twice(lines(1, 2, 3, 4))
    for i in range(6):
        reader.read(line(1, LATER + i) + line(2) + line(3), at=10 + i * 0.001)
    assert reader.numbers == {1, 2, 3, 4}


@pytest.mark.parametrize(
    "taken",
    [line(5, name="vm4", mac=4), line(5, name="other", mac=4), line(5, name="vm4", mac=5)],
    ids=["client and name", "client", "name"],
)
def test_a_lease_stays_while_the_one_in_its_place_does_not_count_yet(taken: str) -> None:
    """A rewriter is met again and again before it has come to the new line, at its end."""
    reader = Reader()
    reader.twice(lines(1, 2, 3, 4))
    kept = ""
    for i in range(6):
        kept = line(1, LATER + i) + line(2) + line(3)
        reader.read(kept + taken, at=10 + i * 0.06)
        reader.read(kept, at=10 + i * 0.06 + 0.03)
    assert reader.numbers == {1, 2, 3, 4}
    for at in (11, 11.01, 11.1):
        reader.read(kept + taken, at=at)
    assert reader.numbers == {1, 2, 3, 5}


def test_a_line_that_comes_back_starts_again() -> None:
    reader = Reader()
    reader.twice(lines(1, 2, 3, 4))
    reader.read(lines(1, 2, 3), at=10)
    reader.read(lines(1, 2, 3, 4), at=10.04)
    reader.read(lines(1, 2, 3), at=10.08)
    reader.read(lines(1, 2, 3), at=10.12)
    assert reader.numbers == {1, 2, 3, 4}


def test_leases_of_a_dead_dnsmasq_stay_until_it_runs_again() -> None:
    reader = Reader()
    reader.twice(lines(1, 2, 3))
    for at in (10, 11, 12):
        assert reader.read(lines(1, 2), at=at, writer="dead").again in {0, None}
    assert reader.numbers == {1, 2, 3}
    reader.read(lines(1, 2), at=13)
    assert reader.numbers == {1, 2}


def test_a_renewal_is_one_change_and_keeps_both_times() -> None:
    reader = Reader()
    (first,) = [o for o in (reader.read(lines(1)), reader.read(lines(1))) if o.changes]
    reader.wall += 100
    reader.read(line(1, LATER + 60))
    (change,) = reader.read(line(1, LATER + 60)).changes
    assert change.old is not None
    assert change.new is not None
    assert (change.old.expires, change.new.expires) == (LATER, LATER + 60)
    assert change.since == first.changes[0].since
    assert change.first_seen == first.changes[0].first_seen


def test_an_address_that_another_client_gets_starts_a_new_time() -> None:
    reader = Reader()
    reader.twice(line(1))
    reader.wall += 100
    other = line(1, LATER + 60, name="other", mac=9)
    reader.read(other)
    (change,) = reader.read(other).changes
    assert change.since >= reader.wall
    assert change.first_seen >= reader.wall


def test_a_client_that_comes_back_under_its_name_keeps_its_first_appearance() -> None:
    reader = Reader()
    reader.read(line(1, name="web"))
    (came,) = reader.read(line(1, name="web")).changes
    reader.read(b"", at=10)
    reader.read(b"", at=11)
    assert reader.numbers == set()
    reader.wall += 100
    reader.read(line(2, name="web", mac=1))
    (back,) = reader.read(line(2, name="web", mac=1)).changes
    assert back.first_seen == came.first_seen
    assert back.since > came.since


def test_no_two_appearances_have_the_same_time_and_the_latest_expiry_is_newest() -> None:
    reader = Reader()
    data = line(1, LATER + 5) + line(2, 0) + line(3, LATER + 9)
    reader.read(data)
    changes = reader.read(data).changes
    order = sorted(changes, key=lambda c: c.first_seen)
    assert [text(c.new.address) for c in order if c.new] == ["10.0.0.2", "10.0.0.1", "10.0.0.3"]
    assert len({c.first_seen for c in changes}) == 3


def test_the_longer_lasting_of_two_lines_for_one_address_counts() -> None:
    reader = Reader()
    both = line(1, LATER) + line(1, LATER + 5, mac=9)
    reader.twice(both + line(2) + line(3))
    assert reader.held["10.0.0.1"].expires == LATER + 5
    reader.read(line(1) + line(2) + line(3), at=10)
    reader.read(line(1) + line(2) + line(3), at=11)
    assert reader.held["10.0.0.1"].expires == LATER


def test_leases_end_in_their_second_and_never_ending_ones_do_not() -> None:
    reader = Reader()
    reader.twice(line(1, int(WALL) + 10) + line(2, int(WALL) + 20) + line(3, 0))
    assert reader.tracker.book.next_expiry() == WALL + 10
    reader.take(reader.tracker.book.expire(WALL + 9.9))
    assert reader.numbers == {1, 2, 3}
    reader.take(reader.tracker.book.expire(WALL + 10))
    assert reader.numbers == {2, 3}
    assert [text(lease.address) for lease in reader.tracker.book.expired.values()] == ["10.0.0.1"]
    reader.take(reader.tracker.book.expire(WALL + 1e9))
    assert reader.numbers == {3}
    assert reader.tracker.book.next_expiry() is None


def test_a_lease_that_has_ended_is_not_taken_up_and_a_renewal_takes_it_up() -> None:
    reader = Reader()
    reader.twice(line(1, int(WALL) - 1) + line(2))
    assert reader.numbers == {2}
    reader.twice(line(1, int(WALL) + 60) + line(2))
    assert reader.numbers == {1, 2}


def test_a_clock_that_is_set_back_brings_ended_leases_back() -> None:
    reader = Reader()
    reader.twice(line(1, int(WALL) + 10))
    reader.take(reader.tracker.book.expire(WALL + 3600))
    assert reader.numbers == set()
    reader.take(reader.tracker.book.expire(WALL))
    assert reader.numbers == {1}
    assert reader.tracker.book.next_expiry() == WALL + 10


def test_leases_first_read_by_a_clock_that_was_ahead_hold_once_it_is_right() -> None:
    reader = Reader()
    reader.wall = WALL + 3600
    reader.twice(line(1, int(WALL) + 10))
    assert reader.numbers == set()
    reader.take(reader.tracker.book.expire(WALL))
    assert reader.numbers == {1}


def test_many_renewals_keep_the_due_list_short() -> None:
    reader = Reader()
    for i in range(1000):
        reader.twice(line(1, LATER + i))
    assert len(reader.tracker.book._due) < 100


def test_a_malformed_line_is_logged_once_and_costs_only_itself() -> None:
    reader = Reader()
    data = b"junk\n" + lines(1)
    reader.read(data)
    (fault,) = reader.read(data).faults
    assert (fault[0], fault[1].field) == (b"junk", "line")
    assert reader.numbers == {1}
    reader.read(data + lines(2))
    assert reader.read(data + lines(2)).faults == []


def test_withdrawing_the_file_withdraws_each_lease() -> None:
    reader = Reader()
    reader.twice(lines(1, 2))
    gone = reader.tracker.withdraw()
    assert {text(c.old.address) for c in gone if c.old} == {"10.0.0.1", "10.0.0.2"}
    assert all(c.new is None for c in gone)


@pytest.mark.parametrize("seed", range(30))
def test_reads_cut_anywhere_never_lose_a_lease_nor_make_one_up(seed: int) -> None:
    """A rewriter changes one lease at a time; the reader sees each version cut at random."""
    dice = random.Random(seed)
    reader = Reader()
    stable = list(range(1, 40))
    expires = dict.fromkeys(stable, LATER)
    whole = "".join(line(n, expires[n]) for n in stable).encode()
    reader.twice(whole)
    true = set(reader.held.values())
    for step in range(200):
        changed = dice.choice(stable)
        expires[changed] += 1
        whole = "".join(line(n, expires[n]) for n in [changed, *stable] if n).encode()
        whole = b"".join(dict.fromkeys(whole.splitlines(keepends=True)))
        true.update(dnsmasq.parse(whole, FILE)[0])
        for _ in range(dice.randrange(4)):
            reader.read(whole[: dice.randrange(len(whole))], at=10 + step * 0.02)
        reader.read(whole, at=10 + step * 0.02 + 0.005)
        assert reader.numbers == set(stable)
        assert set(reader.held.values()) <= true


def test_a_file_that_is_replaced_whole_needs_no_second_read_and_no_wait() -> None:
    status = libvirt.SOURCE
    tracker = LeaseTracker(FILE, status, FirstSeen())

    def read(data: bytes) -> set[tuple[str | None, str | None]]:
        outcome = tracker.observe(data, 0.0, WALL)
        assert outcome.again is None
        return {
            (c.old.hostname if c.old else None, c.new.hostname if c.new else None)
            for c in outcome.changes
        }

    web1 = b'{"ip-address": "10.0.0.1", "hostname": "web1"}'
    assert read(b"[%s]" % web1) == {(None, "web1")}
    assert read(b"[%s, %s]" % (web1, web1.replace(b"1", b"2"))) == {(None, "web2")}
    assert read(b"[%s]" % web1.replace(b'"web1"', b'"new"')) == {("web2", None), ("web1", "new")}
    (fault,) = tracker.observe(b"[", 0.0, WALL).faults
    assert fault[1].field == "JSON"
    assert [lease.hostname for lease in tracker.book.leases()] == ["new"]
    tracker.observe(b"[7]", 0.0, WALL)
    assert [lease.hostname for lease in tracker.book.leases()] == ["new"]
    assert read(b"") == {("new", None)}
