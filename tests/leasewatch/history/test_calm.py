"""One guest that changes all the time is held back in the history, and what holds is not lost."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from leasewatch.history import events
from leasewatch.history.calm import HOLD_SECONDS, OF_CLIENT, OF_NETWORK, Calm
from leasewatch.history.file import HistoryFile
from leasewatch.history.queue import Happened
from leasewatch.model import Claim, Lease, LeaseChange, NeighbourChange
from tests.leasewatch.histories import add, holdings
from tests.leasewatch.leasing import LATER, WALL, change, claim, lease, neighbour

BURST = OF_CLIENT[0]


class Written:
    """What a Calm passes on of what happens, as events of a history file."""

    def __init__(self, file: HistoryFile) -> None:
        self.file = file
        self.calm = Calm()
        self.now = 0.0
        self.count = 0

    def happens(self, what: LeaseChange | NeighbourChange | Claim) -> None:
        self._write(self.calm.take(Happened(WALL + self.now, what), self.now))

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self._write(self.calm.due(self.now))

    def _write(self, happened: list[Happened]) -> None:
        for one in happened:
            self.count += 1
            if isinstance(one.what, LeaseChange):
                self.file.write(events.of_change(one.what, one.wall))
            elif isinstance(one.what, Claim):
                self.file.write(events.of_claim(one.what, one.wall))


@pytest.fixture
def written(file: HistoryFile) -> Written:
    return Written(file)


def renamed(old: Lease, hostname: str) -> Lease:
    return msgspec.structs.replace(old, hostname=hostname)


def test_of_a_client_that_renames_itself_all_the_time_the_last_name_of_a_minute_is_kept(
    written: Written, path: Path
) -> None:
    old = lease(5, "x0")
    written.happens(change(None, old))
    for number in range(1, 2501):
        new = renamed(old, f"x{number}")
        written.happens(change(old, new))
        written.happens(claim(new, "refused", name=f"x{number}"))
        old = new
    assert written.count <= 2 * BURST
    written.passes(HOLD_SECONDS)
    found = holdings(path)
    assert len(found) <= BURST + 1
    assert (found[-1].hostname, found[-1].until) == ("x2500", None)
    assert written.calm.joined > 4900


def test_one_that_takes_and_gives_back_its_lease_all_the_time_is_there_or_not_as_it_is(
    written: Written, path: Path
) -> None:
    for _ in range(500):
        written.happens(change(None, lease(5)))
        written.happens(change(lease(5), None))
    written.passes(HOLD_SECONDS)
    assert [h.until is None for h in holdings(path)] == [False] * (BURST // 2)
    for _ in range(500):
        written.happens(change(None, lease(5)))
        written.happens(change(lease(5), None))
    written.happens(change(None, lease(5)))
    written.passes(HOLD_SECONDS)
    assert holdings(path)[-1].until is None
    assert len(holdings(path)) <= BURST // 2 + 2


def test_what_other_clients_do_meanwhile_is_written_at_once(written: Written, path: Path) -> None:
    old = lease(5, "x0")
    for number in range(1, 100):
        new = renamed(old, f"x{number}")
        written.happens(change(old, new))
        old = new
    for number in range(10, 60):
        written.happens(change(None, lease(number)))
        written.happens(claim(lease(number), "conflict"))
    assert len({h.address for h in holdings(path)} - {"10.0.0.5"}) == 50


def test_whoever_is_calm_is_never_held_back(written: Written) -> None:
    old = lease(5)
    written.happens(change(None, old))
    for number in range(1, 500):
        new = msgspec.structs.replace(old, expires=LATER + number)
        written.happens(change(old, new))
        written.happens(claim(new, "published", "owner"))
        old = new
    assert written.count == 1 + 2 * 499
    written.happens(change(old, None))
    assert (written.count, written.calm.joined) == (2 * 500, 0)


def test_another_client_at_a_busy_ones_address_comes_after_it(written: Written, path: Path) -> None:
    old = lease(5, "x0")
    written.happens(change(None, old))
    for number in range(1, 100):
        new = renamed(old, f"x{number}")
        written.happens(change(old, new))
        old = new
    other = lease(5, "web1", client=9)
    written.happens(change(old, other))
    written.happens(claim(other, "conflict"))
    written.passes(HOLD_SECONDS)
    last = holdings(path)[-1]
    assert (last.hostname, last.mac, last.claim) == (
        "web1", other.hwaddr, "conflict: it is conflict",
    )  # fmt: skip


def test_a_victims_claim_that_somebody_makes_fail_and_hold_again_is_not_told_each_time(
    written: Written, file: HistoryFile, path: Path
) -> None:
    victim = lease(5)
    add(file, victim)
    for _ in range(1000):
        written.happens(claim(victim, "conflict"))
        written.happens(claim(victim, "published"))
    written.passes(HOLD_SECONDS)
    assert written.count <= BURST + 1
    (held,) = holdings(path)
    assert held.name == "web1"


def test_clients_without_a_recorded_mac_count_together(written: Written) -> None:
    for number in range(OF_NETWORK[0] + 500):
        one = msgspec.structs.replace(lease(number), hwaddr=None, client_id=f"00:{number}")
        written.happens(change(None, one))
    assert written.count == OF_NETWORK[0]
    written.happens(change(None, lease(1, client=9)))
    assert written.count == OF_NETWORK[0] + 1
    written.passes(HOLD_SECONDS)
    assert written.count == OF_NETWORK[0] + 501


def test_neighbours_pass_and_after_a_catching_up_only_decisions_are_still_to_be_told(
    written: Written,
) -> None:
    old = lease(5, "x0")
    for number in range(1, 100):
        new = renamed(old, f"x{number}")
        written.happens(change(old, new))
        old = new
    written.happens(claim(old, "refused"))
    before = written.count
    written.happens(NeighbourChange(None, neighbour(5)))
    assert written.count == before + 1
    written.calm.forget_changes()
    assert [type(one.what) for one in written.calm.due()] == [Claim]
    assert written.calm.due() == []
