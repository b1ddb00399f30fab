"""Places at a socket to which every local user may connect: shared out, so that nobody fills it.

It knows no socket: who must leave is for the caller to send away.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

_T = TypeVar("_T", bound=Hashable)
_ROOT = 0


class Seats(Generic[_T]):
    """`most` places for all users together, of which one user has `most_of_user`.

    Root has that many of its own beside them.
    """

    def __init__(self, most: int, most_of_user: int) -> None:
        self._most = most
        self._most_of_user = most_of_user
        self._users: dict[int, dict[_T, None]] = {}
        """Of each user who has a place: its guests, the one that came first in front."""
        self._uid: dict[_T, int] = {}

    def __len__(self) -> int:
        return len(self._uid)

    def enter(self, guest: _T, uid: int) -> _T | None:
        """Give `guest` a place; returns who must leave for it, if anybody.

        That is `guest` itself where its user has its share. Where all places are taken it is the
        guest that came first of the user who has most of them.
        """
        if len(self._users.get(uid, ())) >= self._most_of_user:
            return guest
        leaving = None
        if uid != _ROOT and len(self) - len(self._users.get(_ROOT, ())) >= self._most:
            crowds = [crowd for user, crowd in self._users.items() if user != _ROOT]
            largest = max(crowds, key=len)
            leaving = next(iter(largest))
            self.leave(leaving)
        self._users.setdefault(uid, {})[guest] = None
        self._uid[guest] = uid
        return leaving

    def leave(self, guest: _T) -> None:
        """Its place is free; no error if it has none."""
        uid = self._uid.pop(guest, None)
        if uid is not None:
            del self._users[uid][guest]
            if not self._users[uid]:
                del self._users[uid]
