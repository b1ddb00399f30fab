"""Share out the connections of a socket that many users may use, so that no user fills it."""

from __future__ import annotations

import socket
import struct
from asyncio.trsock import TransportSocket
from collections.abc import Hashable
from typing import Final, Generic, NamedTuple, TypeVar

_T = TypeVar("_T", bound=Hashable)
_ROOT = 0
_UCRED = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""
_SO_PEERGROUPS: Final = 59
"""socket(7): one gid_t for each group. Python has no name for it."""
_GID = struct.Struct("I")
_MOST_BYTES: Final = 1024
"""What Python's getsockopt takes at most. A user with more than 256 groups seems to have none."""


class Credentials(NamedTuple):
    """The process at the other end, as it was when it connected; -1: the kernel does not say."""

    pid: int
    uid: int
    gid: int


def credentials(sock: socket.socket | TransportSocket) -> Credentials:
    """Who is at the other end; for a client, who listens."""
    try:
        found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    except OSError:
        return Credentials(-1, -1, -1)
    return Credentials(*_UCRED.unpack(found))


def groups(sock: socket.socket | TransportSocket) -> tuple[int, ...]:
    """The supplementary groups of the process at the other end, as when it connected."""
    try:
        found = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    except OSError:
        return ()
    return tuple(gid for (gid,) in _GID.iter_unpack(found))


def peer_uid(sock: socket.socket | TransportSocket) -> int:
    """The uid of the process at the other end; -1 if the kernel does not say."""
    return credentials(sock).uid


def peer_pid(sock: socket.socket | TransportSocket) -> int:
    """The pid of the process at the other end; for a client, of the one that listens."""
    return credentials(sock).pid


class Seats(Generic[_T]):
    """Who has a connection now: `most` of all users together, `most_of_user` of one user.

    A user is a uid, or the address of a client. Root has `most_of_user` of its own beside them.
    """

    def __init__(self, most: int, most_of_user: int) -> None:
        self.most = most
        self.most_of_user = most_of_user
        """Both may be changed at any time; guests who have a seat keep it."""
        self._users: dict[Hashable, dict[_T, None]] = {}
        """Each user's guests, the oldest first. A user without a guest has no entry."""
        self._uid: dict[_T, Hashable] = {}

    def __len__(self) -> int:
        return len(self._uid)

    def guests(self) -> list[_T]:
        """Who has a seat."""
        return list(self._uid)

    def enter(self, guest: _T, uid: Hashable) -> _T | None:
        """Give `guest` a seat. Returns the guest whose connection the caller must close, if any.

        That is `guest` itself if its user has its share already. If all seats are taken, it is the
        oldest guest of the user who has most.
        """
        if len(self._users.get(uid, ())) >= self.most_of_user:
            return guest
        leaving = None
        if uid != _ROOT and len(self) - len(self._users.get(_ROOT, ())) >= self.most:
            crowds = [crowd for user, crowd in self._users.items() if user != _ROOT]
            largest = max(crowds, key=len)
            leaving = next(iter(largest))
            self.leave(leaving)
        self._users.setdefault(uid, {})[guest] = None
        self._uid[guest] = uid
        return leaving

    def leave(self, guest: _T) -> None:
        """Free the seat of `guest`; one that has none is ignored."""
        uid = self._uid.pop(guest, None)
        if uid is not None:
            del self._users[uid][guest]
            if not self._users[uid]:
                del self._users[uid]
