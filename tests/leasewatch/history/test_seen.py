"""The history's file has the addresses that a bridge sees without a lease, too."""

from __future__ import annotations

from pathlib import Path

import msgspec

from leasewatch.addresses import parse
from leasewatch.history.file import HistoryFile
from leasewatch.model import NeighbourChange
from tests.leasewatch.histories import add, catch_up, happened, holdings, take
from tests.leasewatch.leasing import WALL, change, claim, lease, neighbour


def look(
    file: HistoryFile,
    old: int,
    new: int,
    wall: float,
    *,
    quiet: bool = False,
    started: float = 0.0,
) -> None:
    """The bridge saw client `old` at fd12::5, and sees `new`; 0: no machine."""
    before, now = (neighbour(c, started=started) if c else None for c in (old, new))
    take(file, NeighbourChange(before, now, quiet), wall)


def test_who_is_seen_without_a_lease_is_held_too_and_a_quiet_one_was_there_all_along(
    file: HistoryFile, path: Path
) -> None:
    look(file, 0, 1, WALL)
    named = claim(neighbour(1), "published", name="db")
    for hour in range(1, 9):
        take(file, named, WALL)
        look(file, 1, 0, WALL + 3600 * hour, quiet=True)
        look(file, 0, 1, WALL + 3600 * hour + 1800)
    (held,) = holdings(path, "52:54:00:00:00:01")
    assert (held.name, held.origin, held.since, held.until) == ("db", "neighbour", WALL, None)
    assert happened(path) == ["seen", "named"]
    look(file, 1, 0, WALL + 40_000, quiet=True)
    (held,) = holdings(path, "fd12::0005")
    assert (held.until, held.ended) == (WALL + 40_000, "quiet")
    look(file, 0, 1, WALL + 40_000 + 86401)
    look(file, 1, 2, WALL + 40_000 + 86402)
    assert [h.mac for h in holdings(path, "fd12::5")] == [
        "52:54:00:00:00:01", "52:54:00:00:00:01", "52:54:00:00:00:02",
    ]  # fmt: skip
    assert happened(path) == ["seen", "named", "seen", "gone", "seen"]
    assert not list(file.first_appearances(9))


def test_what_is_gone_is_gone_for_good_however_soon_it_returns(
    file: HistoryFile, path: Path
) -> None:
    look(file, 0, 1, WALL)
    look(file, 1, 0, WALL + 11)
    look(file, 0, 1, WALL + 19)
    assert [(h.since, h.until, h.ended) for h in holdings(path)] == [
        (WALL, WALL + 11, "gone"),
        (WALL + 19, None, None),
    ]
    assert happened(path) == ["seen", "gone", "seen"]


def test_what_was_quiet_holds_on_in_the_same_run_of_its_domain_alone(
    file: HistoryFile, path: Path
) -> None:
    look(file, 0, 1, WALL, started=WALL - 5)
    look(file, 1, 0, WALL + 60, quiet=True)
    look(file, 0, 1, WALL + 70, started=WALL - 5)
    assert [(h.since, h.until) for h in holdings(path)] == [(WALL, None)]
    look(file, 1, 0, WALL + 80, quiet=True)
    look(file, 0, 1, WALL + 99, started=WALL + 90)
    assert [(h.since, h.until, h.ended) for h in holdings(path)] == [
        (WALL, WALL + 80, "quiet"),
        (WALL + 99, None, None),
    ]


def test_a_domain_restarted_while_no_service_ran_begins_new_holdings(
    file: HistoryFile, path: Path
) -> None:
    look(file, 0, 1, WALL, started=WALL - 5)
    catch_up(file, neighbour(1, started=WALL - 5), wall=WALL + 60)
    catch_up(file, neighbour(1, started=WALL + 80), wall=WALL + 99)
    assert [(h.since, h.until, h.ended) for h in holdings(path)] == [
        (WALL, WALL + 80, "gone"),
        (WALL + 99, None, None),
    ]
    assert happened(path) == ["seen", "gone", "seen"]


def test_a_lease_goes_before_what_is_seen(file: HistoryFile, path: Path) -> None:
    look(file, 0, 1, WALL)
    leased = msgspec.structs.replace(lease(1, "db"), address=parse("fd12::5"))
    add(file, leased, wall=WALL + 60)
    look(file, 0, 1, WALL + 62)
    look(file, 1, 0, WALL + 63)
    first, second = holdings(path)
    assert (first.origin, first.ended) == ("neighbour", "replaced")
    assert (second.origin, second.until) == ("lease", None)
    assert happened(path) == ["seen", "replaced", "added"]


def test_who_is_seen_for_the_moment_before_its_lease_is_written_is_one_holding(
    file: HistoryFile, path: Path
) -> None:
    leased = msgspec.structs.replace(lease(1, "db"), address=parse("fd12::5"))
    look(file, 0, 1, WALL)
    add(file, leased, wall=WALL + 0.01)
    (held,) = holdings(path)
    assert (held.origin, held.mac, held.until) == ("lease", leased.hwaddr, None)
    assert happened(path) == ["added"]


def test_who_is_seen_just_before_another_has_the_lease_is_not_forgotten(
    file: HistoryFile, path: Path
) -> None:
    look(file, 0, 2, WALL)
    leased = msgspec.structs.replace(lease(1, "db"), address=parse("fd12::5"))
    add(file, leased, wall=WALL + 0.01)
    assert [held.ended for held in holdings(path)] == ["replaced", None]


def test_a_link_local_address_may_be_asked_for_with_its_interface(
    file: HistoryFile, path: Path
) -> None:
    catch_up(file, neighbour(1, "fe80::1"), wall=WALL)
    assert [held.address for held in holdings(path, "fe80::1%pv-lab")] == ["fe80::1"]
    assert not holdings(path, "fe80::2%pv-lab")


def test_a_restart_that_sees_the_same_writes_nothing_of_it(file: HistoryFile, path: Path) -> None:
    catch_up(file, neighbour(1), change(None, lease(5)), wall=WALL)
    catch_up(file, neighbour(1), change(None, lease(5)), wall=WALL + 9)
    assert happened(path) == ["added", "seen"]
    catch_up(file, change(None, lease(5)), wall=WALL + 20)
    catch_up(file, neighbour(1), change(None, lease(5)), wall=WALL + 30)
    assert happened(path) == ["added", "seen"]
    assert len(holdings(path)) == 2
