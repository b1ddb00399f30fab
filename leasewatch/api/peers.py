"""Who is connected to the service, and whether one more may be. It sends and receives nothing.

Every local user may connect, so each has a share (`daemon.seats`). A call that waits has a share of
its own, which leaves its user some connections for questions.
"""

from __future__ import annotations

import socket
import time
from asyncio.trsock import TransportSocket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Literal

from leasewatch.daemon.counters import Counters
from leasewatch.daemon.seats import Seats, credentials, groups
from leasewatch.daemon.service_settings import Limits

Waiting = Literal["Wait", "Monitor", "Records"]
STREAMS: Final = frozenset({"Monitor", "Records"})


class Peer:
    """One connection. `hang_up()` ends it."""

    def __init__(
        self, number: int, sock: socket.socket | TransportSocket, hang_up: Callable[[], None]
    ) -> None:
        self.number = number
        self.pid, self.uid, self.gid = credentials(sock)
        self.since = time.time()
        self.calls = 0
        self.waiting: Waiting | None = None
        """The call that waits; None: none does."""
        self.hang_up = hang_up
        self._sock = sock

    def is_in(self, gid: int) -> bool:
        """Whether the process was in that group when it connected."""
        return gid == self.gid or gid in groups(self._sock)


class Peers:
    """The connections, by number. `limits` may be replaced at any time; who is here may stay.

    `admins`: the group whose members may do what root may; None: there is no such group.
    """

    def __init__(self, limits: Limits, counters: Counters, admins: int | None = None) -> None:
        self.counters = counters
        self.admins = admins
        self._peers: dict[int, Peer] = {}
        self._seats = Seats[Peer](limits.connections, limits.connections_of_user)
        self._waits = Counter[int]()
        """Calls that wait, by uid."""
        self._limits = limits
        self._last = 0

    @property
    def limits(self) -> Limits:
        """What holds now."""
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        self._limits = limits
        self._seats.most, self._seats.most_of_user = limits.connections, limits.connections_of_user

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter(list(self._peers.values()))

    def enter(
        self, sock: socket.socket | TransportSocket, hang_up: Callable[[], None]
    ) -> Peer | None:
        """Take in a connection, or hang up if its user has its share: None.

        If all places are taken, it ends the oldest connection of the user who has most.
        """
        self._last += 1
        peer = Peer(self._last, sock, hang_up)
        leaving = self._seats.enter(peer, peer.uid)
        if leaving is peer:
            self.counters.connections_refused += 1
            hang_up()
            return None
        if leaving is not None:
            self.counters.connections_cut_off += 1
            self.leave(leaving)
            leaving.hang_up()
        self.counters.connections += 1
        self._peers[peer.number] = peer
        return peer

    def may_change(self, peer: Peer) -> bool:
        """Whether a peer may call what is privileged."""
        return peer.uid == 0 or (self.admins is not None and peer.is_in(self.admins))

    def leave(self, peer: Peer) -> None:
        """Forget a connection that has ended."""
        self._peers.pop(peer.number, None)
        self._seats.leave(peer)
        self.end_waiting(peer)

    def begin_waiting(self, peer: Peer, call: Waiting) -> bool:
        """Let a call wait until `end_waiting`; False: its user has its share."""
        if self._waits[peer.uid] >= self._limits.waits_of_user:
            self.counters.waits_refused += 1
            return False
        self._waits[peer.uid] += 1
        peer.waiting = call
        if call == "Wait":
            self.counters.waits += 1
        else:
            self.counters.watches += 1
        return True

    def end_waiting(self, peer: Peer) -> None:
        """The call of `peer` that waited has ended; ignored if none did."""
        if peer.waiting is None:
            return
        peer.waiting = None
        self._waits[peer.uid] -= 1
        if not self._waits[peer.uid]:
            del self._waits[peer.uid]

    def disconnect(self, number: int) -> bool:
        """End a connection; False: there is none of that number."""
        peer = self._peers.get(number)
        if peer is None:
            return False
        self.counters.connections_disconnected += 1
        self.leave(peer)
        peer.hang_up()
        return True
