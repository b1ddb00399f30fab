"""The pending socket: lookups of a domain that was just started wait here for its address.

The protocol is in csrc/pending.h: a name, perhaps with a family, comes in; one word goes out when
the published table answers it. The word only ends the wait: the NSS module then reads the table.
Every local user may connect, so each gets a share of the places.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from leasewatch.daemon.counters import Counters
from leasewatch.daemon.seats import Seats, peer_uid
from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import SnapshotError

_BACKLOG = 512
_AT_ONCE = 64
"""Connections accepted before other work has its turn."""
_LONGEST = 256
"""Bytes: one more than a name and a family may have, so that a longer one is unknown."""
_FAMILIES = {b"": socket.AF_UNSPEC, b"4": socket.AF_INET, b"6": socket.AF_INET6}


@dataclass(frozen=True, slots=True)
class Limits:
    """How long peers may take, in seconds, and how many may wait."""

    name: float = 2.0
    """A peer must send its name within so long…"""
    wait: float = 32.0
    """…and is dropped after so long: the module waits for 30 s at most."""
    check: float = 1.0
    """How often waiting peers are checked: a name stops being pending at its time."""
    waiters: int = 512
    waiters_of_user: int = 128


class _Waiter:
    """One connection. `name` is empty until the peer sends it."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock = sock
        self.until = until
        """Time of the event loop."""
        self.name = ""
        self.family: int = socket.AF_UNSPEC


class PendingServer:
    """Serves `path` (mode 0666) from `start` until `stop`; `table` is the published host table."""

    def __init__(
        self,
        path: Path,
        table: Path,
        limits: Limits | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._counters = counters or Counters()
        self._path = path
        self._table = table
        self._limits = limits or Limits()
        self._listener: socket.socket | None = None
        self._waiters: set[_Waiter] = set()
        self._seats = Seats[_Waiter](self._limits.waiters, self._limits.waiters_of_user)
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiters)

    def start(self) -> None:
        """Create the socket, replacing one that a killed service left. Raises OSError."""
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            listener.setblocking(False)
            listener.bind(str(self._path))
            self._path.chmod(0o666)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        self._listen(listener)

    def stop(self) -> None:
        """Drop every peer and remove the socket."""
        if self._listener is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        for waiter in list(self._waiters):
            self._drop(waiter)
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        self._listener = None
        self._path.unlink(missing_ok=True)

    def published(self) -> None:
        """Answer the peers whose names the new table answers."""
        asked = {(waiter.name, waiter.family) for waiter in self._waiters}
        words = {question: self._word_for(*question) for question in asked}
        for waiter in list(self._waiters):
            self._answer(waiter, words[waiter.name, waiter.family])

    def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_AT_ONCE):
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # no file descriptor is left: try again later
                loop.remove_reader(listener)
                loop.call_later(self._limits.check, self._listen, listener)
                return
            self._admit(sock)

    def _admit(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(sock, loop.time() + self._limits.name)
        leaving = self._seats.enter(waiter, peer_uid(sock))
        if leaving is waiter:
            sock.close()
            return
        if leaving is not None:
            self._drop(leaving)
        sock.setblocking(False)
        self._waiters.add(waiter)
        loop.add_reader(sock, self._read, waiter)
        if self._timer is None:
            self._timer = loop.call_later(self._limits.check, self._time_passed)

    def _listen(self, listener: socket.socket) -> None:
        if listener is self._listener:  # not stopped meanwhile
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _read(self, waiter: _Waiter) -> None:
        """Read the name. Anything else means that the peer has gone, or is not the module."""
        try:
            data = waiter.sock.recv(_LONGEST)
        except OSError:
            data = b""
        name, _, family = data.partition(b"\0")
        if not name or waiter.name:
            self._drop(waiter)
            return
        waiter.name = name.decode("ascii", "replace")
        waiter.family = _FAMILIES.get(family, socket.AF_UNSPEC)
        waiter.until = asyncio.get_running_loop().time() + self._limits.wait
        word = self._word_for(waiter.name, waiter.family)
        self._counters.lookups_waited += not word
        self._answer(waiter, word)

    def _word_for(self, name: str, family: int) -> bytes:
        """The answer for a name; empty while it is pending, or unknown to us."""
        if not name:
            return b""
        try:
            status = snapshot.lookup(self._table, name, family).status
        except SnapshotError:
            return b"gave up"
        return {"found": b"published", "not yet": b""}.get(status, b"gave up")

    def _answer(self, waiter: _Waiter, word: bytes) -> None:
        if word:
            with suppress(OSError):
                waiter.sock.send(word)
            self._drop(waiter)

    def _drop(self, waiter: _Waiter) -> None:
        asyncio.get_running_loop().remove_reader(waiter.sock)
        waiter.sock.close()
        self._waiters.discard(waiter)
        self._seats.leave(waiter)

    def _time_passed(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for waiter in [w for w in self._waiters if w.until <= loop.time()]:
            self._drop(waiter)
        self.published()
        if self._waiters:
            self._timer = loop.call_later(self._limits.check, self._time_passed)
