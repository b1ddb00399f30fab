"""Holdings begin, change and end by pure rules: what each change and claim writes."""

from __future__ import annotations

import msgspec
import pytest

from leasewatch.history.holdings import (
    FORESEEN_SECONDS,
    QUIET_SECONDS,
    StoredHolding,
    Write,
    after,
    after_sighting,
    after_unseen,
    leased,
)
from leasewatch.model import Claim, Lease, LeaseChange, Neighbour, NeighbourChange
from tests.leasewatch.leasing import LATER, WALL, change, claim, lease, neighbour

WEB = lease(5, "web1")
RENEWED = None, None
"""No event, but the holding changes."""

REPLACE = msgspec.structs.replace


def stored(what: Lease | Neighbour | None, **more: object) -> StoredHolding | None:
    """The open holding of a lease, or of a neighbour, since WALL - 60."""
    if what is None:
        return None
    if isinstance(what, Lease):
        return REPLACE(leased(what, WALL - 60, WALL - 60), id=1, **more)
    (write,) = after_sighting(None, what, WALL - 60)
    assert write.new is not None
    return REPLACE(write.new, id=1, **more)


def told(writes: list[Write]) -> list[tuple[str | None, str | None]]:
    """The kinds of the events and why; a change without an event is (None, None)."""
    return [(write.kind, write.why) for write in writes if write.kind] or [RENEWED for _ in writes]


# The change, when, and the kinds of events with why.
CHANGES: dict[str, tuple[LeaseChange, float, list[tuple[str | None, str | None]]]] = {
    "a lease begins": (change(None, WEB), WALL, [("added", None)]),
    "it is renewed": (change(WEB, REPLACE(WEB, expires=LATER + 60)), WALL, [RENEWED]),
    "it tells another client id": (
        change(WEB, REPLACE(WEB, client_id="ff")), WALL, [RENEWED],
    ),
    "it never ends from now on": (change(WEB, REPLACE(WEB, expires=0)), WALL, [RENEWED]),
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
        LeaseChange(WEB, None, 0, 0), WALL, [("withdrawn", "its lease file is no longer watched")],
    ),
    "its file is watched no longer, and its time is over": (
        LeaseChange(WEB, None, 0, 0), LATER + 9, [("expired", None)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "wall", "kinds"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_worth_these_events(
    changed: LeaseChange, wall: float, kinds: list[tuple[str | None, str | None]]
) -> None:
    assert told(after(stored(changed.old), changed, wall)) == kinds


def test_a_new_holding_has_all_of_its_lease() -> None:
    (added,) = after(None, change(None, WEB, first_seen=5.0), WALL)
    assert added == Write(
        None,
        StoredHolding(
            id=0,
            network="lab",
            address="10.0.0.5",
            origin="lease",
            mac="52:54:00:00:00:05",
            client_id="01:52:54:00:00:00:05",
            hostname="web1",
            first_seen=5.0,
            since=WALL,
            expires=LATER,
        ),
        "added",
    )
    replaced, added = after(stored(WEB), change(WEB, lease(5, "db", client=6)), WALL)
    assert replaced.new == stored(WEB, until=WALL, ended="replaced")
    assert added.new is not None
    assert added.new.mac == "52:54:00:00:00:06"
    ended, renamed = after(stored(WEB, domain="web1"), change(WEB, lease(5, "db")), WALL)
    assert ended.new == stored(WEB, domain="web1", until=WALL, ended="renamed")
    assert renamed.new is not None
    assert (renamed.new.hostname, renamed.new.domain) == ("db", "web1")


def test_what_is_no_lease_or_has_ended_does_not_end_with_a_lease() -> None:
    for last in (None, stored(neighbour(1)), stored(WEB, until=WALL, ended="released")):
        assert after(last, change(WEB, None), WALL) == []


# What the history has, what holds now, and the kinds of events.
UNSEEN: dict[str, tuple[Lease, Lease | None, list[str | None]]] = {
    "it still holds": (WEB, WEB, []),
    "it was renewed": (WEB, REPLACE(WEB, expires=LATER + 60), [None]),
    "it expired": (REPLACE(WEB, expires=int(WALL) - 5), None, ["expired"]),
    "it went before its time": (WEB, None, ["missed"]),
    "one that never ends went": (REPLACE(WEB, expires=0), None, ["missed"]),
    "the guest was renamed": (WEB, lease(5, "web2"), ["renamed"]),
    "another has the address": (WEB, lease(5, "web1", client=6), ["replaced", "added"]),
}


@pytest.mark.parametrize(("recorded", "now", "kinds"), UNSEEN.values(), ids=UNSEEN)
def test_a_lease_that_changed_unseen_is_worth_these_events(
    recorded: Lease, now: Lease | None, kinds: list[str | None]
) -> None:
    held = stored(recorded)
    assert held is not None
    present = None if now is None else change(None, now)
    assert [kind for kind, _ in told(after_unseen(held, present, WALL))] == kinds


# Who was seen, who is, and the kinds of events with the MACs' ends.
SIGHTINGS: dict[str, tuple[Neighbour | None, Neighbour | None, list[tuple[str, str]]]] = {
    "somebody comes": (None, neighbour(1), [("seen", "01")]),
    "nobody answers": (None, neighbour(0), []),
    "somebody answers at last": (neighbour(0), neighbour(1), [("seen", "01")]),
    "it is still there": (neighbour(1), neighbour(1), []),
    "another has the address": (neighbour(1), neighbour(2), [("gone", "01"), ("seen", "02")]),
    "it answers no longer": (neighbour(1), neighbour(0), [("gone", "01")]),
    "it goes": (neighbour(1), None, [("gone", "01")]),
    "its domain was started since": (
        neighbour(1), neighbour(1, started=WALL), [("gone", "01"), ("seen", "01")],
    ),
    "what never answered is forgotten": (neighbour(0), None, []),
    "a MAC that nobody knows comes": (None, neighbour(1, known=False), []),
    "it has a lease since": (neighbour(1, known=False), neighbour(1), [("seen", "01")]),
    "it goes and was never known": (neighbour(1, known=False), None, []),
    "one that nobody knows takes the address": (
        neighbour(1), neighbour(2, known=False), [("gone", "01")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new", "kinds"), SIGHTINGS.values(), ids=SIGHTINGS)
def test_a_change_of_the_neighbour_table_is_worth_these_events(
    old: Neighbour | None, new: Neighbour | None, kinds: list[tuple[str, str]]
) -> None:
    last = stored(old) if old and old.mac and old.known else None
    writes = after(last, NeighbourChange(old, new), WALL)
    holdings = [(w.kind, w.new.mac or "") for w in writes if w.kind and w.new]
    assert [(kind, mac[-2:]) for kind, mac in holdings] == kinds


NEIGHBOURS_UNSEEN: dict[
    str, tuple[Lease | Neighbour, LeaseChange | Neighbour | None, list[str | None]]
] = {
    "it is still there, maybe in another run": (neighbour(1), neighbour(1), []),
    "it is seen no longer": (neighbour(1), None, [None]),
    "another is there": (neighbour(1), neighbour(2), ["gone", "seen"]),
    "it has a lease now": (neighbour(1), change(None, WEB), ["replaced", "added"]),
    "its lease ended and it is still there": (WEB, neighbour(1), ["missed", "seen"]),
}


@pytest.mark.parametrize(
    ("recorded", "now", "kinds"), NEIGHBOURS_UNSEEN.values(), ids=NEIGHBOURS_UNSEEN
)
def test_a_neighbour_that_changed_unseen_is_worth_these_events(
    recorded: Lease | Neighbour, now: LeaseChange | Neighbour | None, kinds: list[str | None]
) -> None:
    held = stored(recorded)
    assert held is not None
    assert [kind for kind, _ in told(after_unseen(held, now, WALL))] == kinds


def test_what_was_only_not_heard_of_is_quiet_and_no_event() -> None:
    (write,) = after(stored(neighbour(1)), NeighbourChange(neighbour(1), None, quiet=True), WALL)
    assert write == Write(
        stored(neighbour(1)), stored(neighbour(1), until=WALL, ended="quiet"), None
    )


@pytest.mark.parametrize(
    ("before", "client", "is_the_lease"),
    [
        (0.01, 5, True),
        (FORESEEN_SECONDS - 0.01, 5, True),
        (FORESEEN_SECONDS, 5, False),
        (0.01, 6, False),
    ],
)
def test_what_was_seen_just_before_the_lease_is_the_lease(
    before: float, client: int, is_the_lease: bool
) -> None:
    held = stored(neighbour(client), since=WALL - before)
    first, second = after(held, change(None, WEB), WALL)
    if is_the_lease:
        assert first == Write(held, None)
    else:
        assert first[2:] == ("replaced", "its address is leased now", None)
    assert second.kind == "added"


@pytest.mark.parametrize(
    ("seconds", "client", "started", "ended", "goes_on"),
    [
        (1.0, 1, WALL - 90, "quiet", True),
        (QUIET_SECONDS - 1, 1, WALL - 90, "quiet", True),
        (QUIET_SECONDS, 1, WALL - 90, "quiet", False),
        (1.0, 2, WALL - 90, "quiet", False),
        (1.0, 1, WALL - 30, "quiet", False),
        (1.0, 1, WALL - 90, "gone", False),
    ],
    ids=["soon", "within a day", "after a day", "another", "in another run", "after it was gone"],
)
def test_a_quiet_holding_goes_on_if_its_mac_is_seen_within_a_day_in_the_same_run(
    seconds: float, client: int, started: float, ended: str, goes_on: bool
) -> None:
    last = stored(neighbour(1), until=WALL, ended=ended)
    (write,) = after_sighting(last, neighbour(client, started=started), WALL + seconds)
    if goes_on:
        assert write == Write(last, stored(neighbour(1)))
    else:
        assert write.kind == "seen"


# A claim, the holding, the event's kind (None: no row), and what changes.
CLAIMS: dict[str, tuple[Claim, StoredHolding | None, str | None, dict[str, object]]] = {
    "a domain's name": (
        claim(WEB, "published", "owner"), stored(WEB), "named", {"domain": "web1"},
    ),
    "a domain's name once more": (
        claim(WEB, "published", "owner"), stored(WEB, domain="web1"), None, {},
    ),
    "a domain's name that cannot be one": (
        claim(WEB, "refused", "owner"), stored(WEB), "refused", {"domain": "web1"},
    ),
    "a guest's name": (claim(WEB, "published"), stored(WEB), None, {}),
    "a guest's name that had failed": (
        claim(WEB, "published"),
        stored(WEB, verdict="conflict", reason="why"),
        "published",
        {"verdict": None, "reason": None},
    ),
    "a refusal": (
        claim(WEB, "refused"),
        stored(WEB),
        "refused",
        {"verdict": "refused", "reason": "it is refused"},
    ),
    "the same refusal": (
        claim(WEB, "refused"), stored(WEB, verdict="refused", reason="it is refused"), None, {},
    ),
    "a conflict": (
        claim(WEB, "conflict"),
        stored(WEB),
        "conflict",
        {"verdict": "conflict", "reason": "it is conflict"},
    ),
    "another rival": (
        claim(WEB, "conflict"), stored(WEB, verdict="conflict", reason="another"), None, {},
    ),
    "the name of the domain that it was": (
        claim(WEB, "refused"), stored(WEB, domain="web1"), None, {},
    ),
    "a guest's neighbour": (
        claim(neighbour(1), "published"), stored(neighbour(1)), "named", {"hostname": "web1"},
    ),
    "a guest's neighbour that had been refused": (
        claim(neighbour(1), "published"),
        stored(neighbour(1), verdict="refused", reason="why"),
        "named",
        {"hostname": "web1", "verdict": None, "reason": None},
    ),
    "a domain's neighbour": (
        claim(neighbour(1), "published", "owner"),
        stored(neighbour(1)),
        "named",
        {"domain": "web1"},
    ),
    "what has ended": (claim(WEB, "refused"), stored(WEB, until=WALL), None, {}),
    "nothing": (claim(WEB, "refused"), None, None, {}),
}  # fmt: skip


@pytest.mark.parametrize(("decided", "last", "kind", "changed"), CLAIMS.values(), ids=CLAIMS)
def test_a_claim_is_an_event_if_it_changes_the_holding(
    decided: Claim, last: StoredHolding | None, kind: str | None, changed: dict[str, object]
) -> None:
    writes = after(last, decided, WALL)
    if kind is None or last is None:
        assert writes == []
    else:
        (write,) = writes
        assert (write.kind, write.name) == (kind, "web1")
        assert write.why == f"it is {decided.verdict}"
        assert write.new == REPLACE(last, **changed)
