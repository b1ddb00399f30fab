"""Changes of a guest that changes all the time are delayed, and nothing that holds is lost."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from leasewatch.addresses import parse
from leasewatch.history.file import HistoryFile
from leasewatch.history.intake import (
    DELAY_SECONDS,
    OF_CLIENT,
    OF_NETWORK,
    Happened,
    Intake,
)
from leasewatch.model import Claim, Lease, LeaseChange, Neighbour, NeighbourChange
from tests.leasewatch.histories import add, holdings
from tests.leasewatch.leasing import LATER, WALL, change, claim, lease, neighbour

BURST = OF_CLIENT[0]


class Written:
    """What an Intake passes on of what happens, as events of a history file."""

    def __init__(self, file: HistoryFile) -> None:
        self.file = file
        self.intake = Intake()
        self.now = 0.0
        self.count = 0

    def happens(self, what: LeaseChange | NeighbourChange | Claim) -> None:
        wall = WALL + self.now
        if isinstance(what, LeaseChange):
            self._write(self.intake.leases([what], wall, self.now))
        elif isinstance(what, Claim):
            self._write(self.intake.claim(what, wall, self.now))
        else:
            self._write(self.intake.neighbours([what], wall))

    def passes(self, seconds: float) -> None:
        self.now += seconds
        self._write(self.intake.due(self.now))

    def _write(self, happened: list[Happened]) -> None:
        self.count += len(happened)
        self.file.write(happened)


@pytest.fixture
def written(file: HistoryFile) -> Written:
    return Written(file)


def renamed(old: Lease, hostname: str) -> Lease:
    return msgspec.structs.replace(old, hostname=hostname)


def test_a_client_that_keeps_renaming_itself_is_recorded_once_a_minute(
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
    written.passes(DELAY_SECONDS)
    found = holdings(path)
    assert len(found) <= BURST + 1
    assert (found[-1].hostname, found[-1].until) == ("x2500", None)
    assert written.intake.joined > 4900


def test_a_lease_that_comes_and_goes_all_the_time_ends_as_it_is(
    written: Written, path: Path
) -> None:
    for _ in range(500):
        written.happens(change(None, lease(5)))
        written.happens(change(lease(5), None))
    written.passes(DELAY_SECONDS)
    assert [h.until is None for h in holdings(path)] == [False] * (BURST // 2)
    for _ in range(500):
        written.happens(change(None, lease(5)))
        written.happens(change(lease(5), None))
    written.happens(change(None, lease(5)))
    written.passes(DELAY_SECONDS)
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


def test_a_client_that_changes_seldom_is_never_delayed(written: Written) -> None:
    old = lease(5)
    written.happens(change(None, old))
    for number in range(1, 500):
        new = msgspec.structs.replace(old, expires=LATER + number)
        written.happens(change(old, new))
        written.happens(claim(new, "published", "owner"))
        old = new
    assert written.count == 1 + 2 * 499
    written.happens(change(old, None))
    assert (written.count, written.intake.joined) == (2 * 500, 0)


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
    written.passes(DELAY_SECONDS)
    last = holdings(path)[-1]
    assert (last.hostname, last.mac, last.claim) == (
        "web1", other.hwaddr, "conflict: it is conflict",
    )  # fmt: skip


def test_a_claim_that_another_guest_makes_fail_again_and_again_is_not_written_each_time(
    written: Written, file: HistoryFile, path: Path
) -> None:
    victim = lease(5)
    add(file, victim)
    for _ in range(1000):
        written.happens(claim(victim, "conflict"))
        written.happens(claim(victim, "published"))
    written.passes(DELAY_SECONDS)
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
    written.passes(DELAY_SECONDS)
    assert written.count == OF_NETWORK[0] + 501


def test_neighbours_are_never_delayed_and_a_catch_up_leaves_only_claims_to_write(
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
    written.intake.forget_leases()
    assert [type(one.what) for one in written.intake.due()] == [Claim]
    assert written.intake.due() == []


# A claim, and whether it goes into the history.
CLAIMS: dict[str, tuple[Claim, bool]] = {
    "a guest's name that answers": (claim(lease(5), "published"), False),
    "a lease without a name": (claim(lease(5), "unnamed"), False),
    "a refusal": (claim(lease(5), "refused"), True),
    "a conflict": (claim(lease(5), "conflict"), True),
    "a domain's name": (claim(lease(5), "published", "owner"), True),
    "a domain's name that cannot be one": (claim(lease(5), "refused", "owner"), True),
    "a domain's name that another has": (claim(lease(5), "conflict", "owner"), False),
    "a domain that has not renewed its lease": (claim(lease(5), "pending", "owner"), False),
    "a guest's neighbour": (claim(neighbour(1), "published"), True),
    "a domain's neighbour": (claim(neighbour(1), "published", "owner"), True),
    "a neighbour of nobody": (claim(neighbour(1), "unnamed"), False),
    "a domain without a lease": (claim(None, "pending", "owner"), False),
    "a domain without a lease whose name cannot be one": (claim(None, "refused", "owner"), False),
}


@pytest.mark.parametrize(("decided", "goes_in"), CLAIMS.values(), ids=CLAIMS)
def test_a_claim_goes_in_if_it_names_or_fails(decided: Claim, goes_in: bool) -> None:
    assert [h.what for h in Intake().claim(decided, WALL, 0.0)] == [decided] * goes_in


def test_a_claim_that_had_failed_and_holds_again_goes_in_once() -> None:
    intake = Intake()
    decided = claim(lease(5), "conflict"), claim(lease(6), "published")
    assert [len(intake.claim(one, WALL, 0.0)) for one in decided] == [1, 0]
    assert [len(intake.claim(claim(lease(5), "published"), WALL, 0.0)) for _ in "12"] == [1, 0]


def test_what_failed_is_known_from_before_and_forgotten_with_the_lease() -> None:
    intake = Intake([("lab", parse("10.0.0.5")), ("lab", parse("10.0.0.6"))])
    renewed = msgspec.structs.replace(lease(5), expires=0)
    intake.leases([change(lease(6), None), change(lease(5), renewed)], WALL, 0.0)
    assert intake.claim(claim(lease(5), "published"), WALL, 0.0)
    assert not intake.claim(claim(lease(6), "published"), WALL, 0.0)


SAME = [
    (neighbour(0), neighbour(0)),
    (neighbour(1), msgspec.structs.replace(neighbour(1), reachable=False)),
    (None, neighbour(0)),
    (None, neighbour(1, known=False)),
    (neighbour(1, known=False), None),
    (neighbour(1, known=False), neighbour(2, known=False)),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_a_neighbour_goes_in_only_if_a_known_mac_comes_or_goes(
    old: Neighbour | None, new: Neighbour | None
) -> None:
    intake = Intake()
    assert intake.neighbours([NeighbourChange(old, new)], WALL) == []
    came = NeighbourChange(neighbour(1, known=False), neighbour(1))
    restarted = NeighbourChange(neighbour(1), neighbour(1, started=WALL))
    assert [h.what for h in intake.neighbours([came, restarted], WALL)] == [came, restarted]
