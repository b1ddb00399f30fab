"""What `leasewatch top` makes of the service's replies."""

from __future__ import annotations

import pytest

from leasewatch.api.interface import Entry
from leasewatch.cli.top.state import MAX_EVENTS, State
from tests.leasewatch.cli.top.replies import NOW, entry, reply, state


def names(of: State) -> list[str | None]:
    return [row.entry.name for row in of.rows.values()]


def test_nothing_is_known_before_the_snapshot_is_complete() -> None:
    made = State()
    made.apply(reply("snapshot", entry()))
    assert (names(made), made.fault) == ([], "connecting")
    made.apply(reply("synced", number=7))
    assert (names(made), made.fault, made.number) == (["web1"], None, 7)


def test_events_add_change_and_remove_a_row() -> None:
    made = state(entry())
    made.apply(reply("added", entry("db", "10.77.0.6"), number=2))
    made.apply(reply("changed", entry("db", "10.77.0.6", verdict="conflict"), number=3))
    assert [row.entry.verdict for row in made.rows.values()] == ["published", "conflict"]
    made.apply(reply("removed", entry(), number=4))
    assert (names(made), made.number, made.count) == (["db"], 4, 3)


def test_a_lost_service_leaves_what_is_known_and_a_new_snapshot_replaces_it() -> None:
    made = state(entry())
    made.lost("gone")
    assert (names(made), made.fault, made.number) == (["web1"], "gone", 1)
    made.apply(reply("snapshot", entry("db", "10.77.0.6")))
    assert names(made) == ["web1"]
    made.apply(reply("synced", number=9))
    assert (names(made), made.fault) == (["db"], None)


def test_half_a_snapshot_of_a_lost_service_counts_for_nothing() -> None:
    made = State()
    made.apply(reply("snapshot", entry()))
    made.lost("gone")
    made.apply(reply("synced"))
    assert names(made) == []


def test_a_resumed_stream_goes_on_with_the_rows() -> None:
    made = state(entry())
    made.lost("gone")
    made.apply(reply("resumed", number=1))
    assert (names(made), made.fault) == (["web1"], None)


@pytest.mark.parametrize(
    ("of", "renewed", "lag"),
    [
        (entry(), NOW - 0.004, 0.004),
        (entry(), NOW + 1, 0.0),
        (entry(), NOW - 60, None),
        (entry(verdict="conflict"), NOW - 0.004, None),
        (entry(origin="neighbour"), NOW - 0.004, None),
        (entry(address=None, origin=None), None, None),
    ],
    ids=["fresh", "the clock was set back", "an old lease", "no name", "no lease", "no address"],
)
def test_the_lag_is_that_of_a_lease_that_is_new_and_published(
    of: Entry, renewed: float | None, lag: float | None
) -> None:
    made = state(entry())
    made.apply(reply("changed", of, renewed=renewed))
    assert made.events[-1].lag == pytest.approx(lag)
    assert (made.lags() is None) == (lag is None)


def test_lags_are_the_last_the_median_and_the_longest() -> None:
    made = state()
    for at, lag in enumerate((0.5, 0.001, 0.002)):
        made.apply(reply("added", entry(address=f"10.77.0.{at}"), renewed=NOW - lag))
    assert made.lags() == pytest.approx((0.002, 0.002, 0.5))


def test_only_the_last_events_are_kept() -> None:
    made = state()
    for number in range(2 * MAX_EVENTS):
        made.apply(reply("renewed", entry(), number=number))
    assert (len(made.events), made.count) == (MAX_EVENTS, 2 * MAX_EVENTS)
