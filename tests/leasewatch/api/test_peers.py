"""Who is connected, and whether one more may be."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

import pytest

from leasewatch.api import peers as connected
from leasewatch.api.peers import Peer, Peers
from leasewatch.daemon.counters import Counters
from leasewatch.daemon.seats import Credentials
from leasewatch.daemon.service_settings import Limits

Enter = Callable[[int], Peer | None]


@pytest.fixture
def peers() -> Peers:
    return Peers(Limits(connections=16, connections_of_user=3, waits_of_user=1), Counters())


@pytest.fixture
def enter(peers: Peers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Enter]:
    """Connect a user's process; its number comes into `gone` when it is cut off."""
    ours, theirs = socket.socketpair()

    def connect(uid: int) -> Peer | None:
        monkeypatch.setattr(connected, "credentials", lambda _: Credentials(1, uid, uid))
        return peers.enter(ours, lambda: None)

    yield connect
    ours.close()
    theirs.close()


def test_a_user_has_its_share_and_then_is_refused(peers: Peers, enter: Enter) -> None:
    assert [bool(enter(1001)) for _ in range(4)] == [True, True, True, False]
    assert bool(enter(1002))
    assert (peers.counters.connections, peers.counters.connections_refused) == (4, 1)


def test_when_all_places_are_taken_the_oldest_of_the_largest_crowd_goes(
    peers: Peers, enter: Enter
) -> None:
    first = enter(1001)
    for uid in (1001, *range(1002, 1016)):
        assert enter(uid)
    assert len(peers) == 16
    assert enter(2000)
    assert len(peers) == 16
    assert first not in list(peers)
    assert peers.counters.connections_cut_off == 1


def test_limits_that_were_lowered_hold_for_newcomers_only(peers: Peers, enter: Enter) -> None:
    assert enter(1001)
    assert enter(1001)
    peers.limits = Limits(connections=16, connections_of_user=2)
    assert enter(1001) is None
    assert len(peers) == 2


def test_a_user_has_its_share_of_calls_that_wait(peers: Peers, enter: Enter) -> None:
    one, other, root = enter(1001), enter(1001), enter(0)
    assert one
    assert other
    assert root
    assert peers.begin_waiting(one, "Wait")
    assert not peers.begin_waiting(other, "Monitor")
    assert peers.begin_waiting(root, "Monitor")
    peers.end_waiting(one)
    peers.end_waiting(one)
    assert peers.begin_waiting(other, "Monitor")
    peers.leave(other)
    assert peers.begin_waiting(one, "Wait")
    counted = peers.counters
    assert (counted.waits, counted.watches, counted.waits_refused) == (2, 2, 1)


def test_a_peer_is_disconnected_by_its_number_once(peers: Peers, enter: Enter) -> None:
    peer = enter(1001)
    assert peer
    gone: list[str] = []
    peer.hang_up = lambda: gone.append("gone")
    assert peers.disconnect(peer.number)
    assert not peers.disconnect(peer.number)
    assert not peers.disconnect(99)
    assert gone == ["gone"]
    assert len(peers) == 0


def test_the_default_limits_allow_1000_clients_and_100_watchers_of_one_user() -> None:
    limits = Limits()
    assert limits.connections >= 1000
    assert limits.connections_of_user > limits.waits_of_user >= 100


def test_a_peer_is_in_the_groups_of_its_process() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = Peer(1, ours, lambda: None)
        assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.getuid(), os.getgid())
        assert all(peer.is_in(gid) for gid in (os.getgid(), *os.getgroups()))
        assert not peer.is_in(4_000_000_000)
