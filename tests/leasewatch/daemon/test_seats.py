"""Places at a socket: what one user takes, and many, leaves room for root and for the others."""

from __future__ import annotations

import os
import random
import socket
from collections import Counter

import pytest

from leasewatch.daemon.seats import Seats, peer_uid

ROOT = 0


@pytest.mark.parametrize("uid", [ROOT, 7, 65534])
def test_a_user_has_its_share_and_no_more(uid: int) -> None:
    seats = Seats[str](10, 2)
    assert [seats.enter(guest, uid) for guest in ("a", "b", "c")] == [None, None, "c"]
    seats.leave("a")
    assert seats.enter("d", uid) is None
    assert seats.enter("e", uid + 1) is None
    assert len(seats) == 3


@pytest.mark.parametrize(
    ("users", "leaving"),
    [
        ([1, 1, 1, 1], "guest 0"),
        ([1, 2, 2, 1, 2], "guest 1"),
        ([1, 2, 3, 4], "guest 0"),
        ([2, 1, 1, 9], "guest 1"),
    ],
)
def test_where_all_places_are_taken_the_first_of_the_largest_crowd_goes(
    users: list[int], leaving: str
) -> None:
    seats = Seats[str](len(users), 4)
    for number, uid in enumerate(users):
        assert seats.enter(f"guest {number}", uid) is None
    assert seats.enter("late", 9) == leaving
    assert len(seats) == len(users)


def test_root_has_places_of_its_own_and_takes_no_others() -> None:
    seats = Seats[str](4, 2)
    for number in range(4):
        assert seats.enter(f"user {number}", 1000 + number) is None
    assert [seats.enter(guest, ROOT) for guest in ("root 1", "root 2")] == [None, None]
    assert seats.enter("late", 2000) == "user 0"
    assert seats.enter("root 3", ROOT) == "root 3"


def test_who_leaves_twice_or_never_came_is_no_error() -> None:
    seats = Seats[str](2, 2)
    seats.enter("a", 1)
    seats.leave("a")
    seats.leave("a")
    seats.leave("b")
    assert not seats


def test_no_crowd_ever_has_more_than_its_places() -> None:
    draw = random.Random(1)
    seats, inside = Seats[int](20, 6), dict[int, int]()
    for guest in range(5000):
        if inside and draw.random() < 0.3:
            gone = draw.choice(list(inside))
            seats.leave(gone)
            del inside[gone]
            continue
        uid = draw.choice([ROOT, 1, 1, 1, 2, 3, 4, 5])
        leaving = seats.enter(guest, uid)
        if leaving == guest:
            assert Counter(inside.values())[uid] == 6
            continue
        inside[guest] = uid
        if leaving is not None:
            del inside[leaving]
        held = Counter(inside.values())
        assert max(held.values()) <= 6
        assert sum(held.values()) - held[ROOT] <= 20
        assert len(seats) == len(inside)


def test_the_kernel_tells_whose_process_connected() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        assert peer_uid(ours) == os.getuid()
        ours.close()
        assert peer_uid(ours) == -1
