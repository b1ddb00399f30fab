"""Which events a change of a lease, or a decision on a name, is worth."""

from __future__ import annotations

import msgspec
import pytest

from leasewatch.addresses import parse
from leasewatch.history import events
from leasewatch.history.events import Event, Failing
from leasewatch.model import Claim, Lease, LeaseChange, Neighbour, NeighbourChange
from tests.leasewatch.leasing import LATER, WALL, change, claim, lease, neighbour

WEB = lease(5, "web1")


REPLACE = msgspec.structs.replace

# The change, when, and the kinds of events with why.
CHANGES: dict[str, tuple[LeaseChange, float, list[tuple[str, str | None]]]] = {
    "a lease begins": (change(None, WEB), WALL, [("added", None)]),
    "it is renewed": (change(WEB, REPLACE(WEB, expires=LATER + 60)), WALL, [("renewed", None)]),
    "it tells another client id": (
        change(WEB, REPLACE(WEB, client_id="ff")), WALL, [("renewed", None)],
    ),
    "it never ends from now on": (change(WEB, REPLACE(WEB, expires=0)), WALL, [("renewed", None)]),
    "nothing that matters changes": (change(WEB, REPLACE(WEB, iaid=7)), WALL, []),
    "the guest renames itself": (
        change(WEB, lease(5, "web2")), WALL, [("renamed", "was web1")],
    ),
    "the guest gets a name": (
        change(lease(5, None), WEB), WALL, [("renamed", "had no name")],
    ),
    "another client gets the address": (
        change(WEB, lease(5, "web1", client=6)),
        WALL,
        [("replaced", "52:54:00:00:00:06 has the address now"), ("added", None)],
    ),
    "its time is over": (change(WEB, None), LATER + 1, [("expired", None)]),
    "it goes in the second in which it ends": (change(WEB, None), LATER, [("expired", None)]),
    "it goes before its time": (change(WEB, None), LATER - 1, [("released", None)]),
    "one that never ends goes": (change(lease(5, expires=0), None), WALL, [("released", None)]),
    "its file is watched no longer": (
        LeaseChange(WEB, None, 0, 0), WALL, [("withdrawn", "its lease file is watched no longer")],
    ),
    "its file is watched no longer, and its time is over": (
        LeaseChange(WEB, None, 0, 0), LATER + 9, [("expired", None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "wall", "kinds"), CHANGES.values(), ids=CHANGES)
def test_a_change_tells_what_happened(
    changed: LeaseChange, wall: float, kinds: list[tuple[str, str | None]]
) -> None:
    told = events.of_change(changed, wall)
    assert [(event.kind, event.why) for event in told] == kinds
    assert {event.time for event in told} <= {wall}
    assert {(event.network, event.address) for event in told} <= {("lab", "10.0.0.5")}


def test_an_event_says_all_of_the_lease_that_it_is_about() -> None:
    (added,) = events.of_change(change(None, WEB, first_seen=5.0), WALL)
    assert added == Event(
        kind="added",
        time=WALL,
        network="lab",
        address="10.0.0.5",
        mac="52:54:00:00:00:05",
        hostname="web1",
        client_id="01:52:54:00:00:00:05",
        expires=LATER,
        first_seen=5.0,
    )
    replaced, added = events.of_change(change(WEB, lease(5, "db", client=6)), WALL)
    assert (replaced.mac, added.mac) == ("52:54:00:00:00:05", "52:54:00:00:00:06")
    (renamed,) = events.of_change(change(WEB, lease(5, "db")), WALL)
    assert renamed.hostname == "db"


# What the history has, what holds now, and the kinds of events.
UNSEEN: dict[str, tuple[Lease, Lease | None, list[str]]] = {
    "it still holds": (WEB, WEB, []),
    "it was renewed": (WEB, REPLACE(WEB, expires=LATER + 60), ["renewed"]),
    "it expired": (REPLACE(WEB, expires=int(WALL) - 5), None, ["expired"]),
    "it went before its time": (WEB, None, ["missed"]),
    "one that never ends went": (REPLACE(WEB, expires=0), None, ["missed"]),
    "the guest was renamed": (WEB, lease(5, "web2"), ["renamed"]),
    "another has the address": (WEB, lease(5, "web1", client=6), ["replaced", "added"]),
}


@pytest.mark.parametrize(("recorded", "now", "kinds"), UNSEEN.values(), ids=UNSEEN)
def test_what_happened_unseen_is_told_once_it_is_seen(
    recorded: Lease, now: Lease | None, kinds: list[str]
) -> None:
    present = None if now is None else change(None, now)
    assert [e.kind for e in events.catch_up(recorded, present, WALL)] == kinds


def test_what_began_unseen_is_found() -> None:
    told = list(events.found([change(None, WEB, 5.0), neighbour(7)], WALL))
    assert [(e.kind, e.why, e.address) for e in told] == [
        ("added", "found", "10.0.0.5"),
        ("seen", "found", "fd12::5"),
    ]
    assert told[0].first_seen == 5.0


# Who was seen, who is, and the kinds of events with the MACs' ends.
SIGHTINGS: dict[str, tuple[Neighbour | None, Neighbour | None, list[tuple[str, str]]]] = {
    "somebody comes": (None, neighbour(1), [("seen", "01")]),
    "nobody answers": (None, neighbour(0), []),
    "somebody answers at last": (neighbour(0), neighbour(1), [("seen", "01")]),
    "it is still there": (neighbour(1), neighbour(1), []),
    "another has the address": (neighbour(1), neighbour(2), [("gone", "01"), ("seen", "02")]),
    "it answers no longer": (neighbour(1), neighbour(0), [("gone", "01")]),
    "it goes": (neighbour(1), None, [("gone", "01")]),
    "its domain was started since": (neighbour(1), neighbour(1, started=WALL), [("seen", "01")]),
    "what never answered is forgotten": (neighbour(0), None, []),
    "a MAC that nobody knows comes": (None, neighbour(1, known=False), []),
    "it has a lease since": (neighbour(1, known=False), neighbour(1), [("seen", "01")]),
    "it goes and was never known": (neighbour(1, known=False), None, []),
    "one that nobody knows takes the address": (
        neighbour(1), neighbour(2, known=False), [("gone", "01")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told"), SIGHTINGS.values(), ids=SIGHTINGS)
def test_the_neighbour_table_tells_who_comes_and_goes(
    old: Neighbour | None, new: Neighbour | None, told: list[tuple[str, str]]
) -> None:
    found = events.of_neighbour(NeighbourChange(old, new), WALL)
    assert [(e.kind, (e.mac or "")[-2:]) for e in found] == told


NEIGHBOURS_UNSEEN: dict[
    str, tuple[Lease | Neighbour, LeaseChange | Neighbour | None, list[str]]
] = {
    "it is still there, maybe in another run": (neighbour(1), neighbour(1), ["seen"]),
    "it is seen no longer": (neighbour(1), None, ["quiet"]),
    "another is there": (neighbour(1), neighbour(2), ["gone", "seen"]),
    "it has a lease now": (neighbour(1), change(None, WEB), ["added"]),
    "its lease ended and it is still there": (WEB, neighbour(1), ["missed", "seen"]),
}


@pytest.mark.parametrize(
    ("recorded", "now", "kinds"), NEIGHBOURS_UNSEEN.values(), ids=NEIGHBOURS_UNSEEN
)
def test_what_became_of_neighbours_unseen_is_told(
    recorded: Lease | Neighbour, now: LeaseChange | Neighbour | None, kinds: list[str]
) -> None:
    assert [e.kind for e in events.catch_up(recorded, now, WALL)] == kinds


def test_what_was_only_not_heard_of_is_quiet() -> None:
    (event,) = events.of_neighbour(NeighbourChange(neighbour(1), None, quiet=True), WALL)
    assert event.kind == "quiet"


# A decision, and the event that it is worth: its kind and the domain whose name it is.
DECISIONS: dict[str, tuple[Claim, tuple[str, str | None] | None]] = {
    "a guest's name that answers": (claim(WEB, "published"), None),
    "a lease without a name": (claim(WEB, "unnamed"), None),
    "a refusal": (claim(WEB, "refused"), ("refused", None)),
    "a conflict": (claim(WEB, "conflict"), ("conflict", None)),
    "a domain's name": (claim(WEB, "published", "owner"), ("named", "web1")),
    "a domain's name that cannot be one": (claim(WEB, "refused", "owner"), ("refused", "web1")),
    "a domain that has not renewed its lease": (claim(WEB, "pending", "owner"), None),
    "a guest's neighbour": (claim(neighbour(1), "published"), ("named", None)),
    "a domain's neighbour": (claim(neighbour(1), "published", "owner"), ("named", "web1")),
    "a neighbour of nobody": (claim(neighbour(1), "unnamed"), None),
    "a domain without a lease": (claim(None, "pending", "owner"), None),
    "a domain without a lease whose name cannot be one": (claim(None, "refused", "owner"), None),
}


@pytest.mark.parametrize(("decided", "told"), DECISIONS.values(), ids=DECISIONS)
def test_a_decision_tells_whose_name_it_is_or_that_a_claim_failed(
    decided: Claim, told: tuple[str, str | None] | None
) -> None:
    assert Failing().tells(decided) == (told is not None)
    if told is not None:
        (event,) = events.of_claim(decided, WALL)
        assert (event.kind, event.domain) == told
        assert (event.name, event.why) == ("web1", f"it is {decided.verdict}")


def test_a_claim_that_had_failed_and_holds_again_is_told_once() -> None:
    failing = Failing()
    assert failing.tells(claim(WEB, "conflict"))
    assert not failing.tells(claim(lease(6), "published"))
    assert failing.tells(claim(WEB, "published"))
    assert not failing.tells(claim(WEB, "published"))
    (event,) = events.of_claim(claim(WEB, "published"), WALL)
    assert (event.kind, event.domain) == ("published", None)


def test_what_failed_is_known_from_before_and_forgotten_with_the_lease() -> None:
    known = Failing([("lab", parse("10.0.0.5")), ("lab", parse("10.0.0.6"))])
    known.forget([change(lease(6), None), change(WEB, REPLACE(WEB, expires=0))])
    assert known.tells(claim(WEB, "published"))
    assert not known.tells(claim(lease(6), "published"))
