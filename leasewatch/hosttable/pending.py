"""The pending socket: programs that look up a domain which has only just been started wait here.

The protocol is that of csrc/pending.h: a name comes, perhaps with a family, and one word goes back
once the published table has news of it. Every local user may connect, so no peer may cost more than
its share. What a name answers is never said here; only the published table is asked, as the NSS
module asks it.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from pathlib import Path

from leasewatch.daemon.seats import Seats, peer_uid
from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import SnapshotError

NAME_SECONDS = 2.0
"""A peer must have named its host within so long…"""
WAIT_SECONDS = 32.0
"""…and is let go after so long: the module waits for 30 s at most."""
CHECK_SECONDS = 1.0
"""While somebody waits: how often the clock is looked at. A name may cease to be pending by it."""
MAX_WAITERS = 512
MAX_WAITERS_OF_USER = 128
_BACKLOG = 512
_AT_ONCE = 64
"""Connections taken in before anything else has its turn."""
_LONGEST = 256
"""Bytes: one more than a name and a family may have, so that a longer one is none."""
_FAMILIES = {b"": socket.AF_UNSPEC, b"4": socket.AF_INET, b"6": socket.AF_INET6}


class _Waiter:
    """One connection; its name is empty until it is told."""

    def __init__(self, sock: socket.socket, until: float) -> None:
        self.sock = sock
        self.until = until
        """On the loop's clock."""
        self.name = ""
        self.family: int = socket.AF_UNSPEC


class PendingServer:
    """Serves `path` (mode 0666) from `start` until `stop`; `table` is the published host table."""

    def __init__(self, path: Path, table: Path) -> None:
        self._path = path
        self._table = table
        self._listener: socket.socket | None = None
        self._waiters: set[_Waiter] = set()
        self._seats = Seats[_Waiter](MAX_WAITERS, MAX_WAITERS_OF_USER)
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Replaces a socket that a killed service left; raises OSError."""
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
        """Lets everybody go and removes the socket."""
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
        """There is a new table: let those go who waited for what it says."""
        asked = {(waiter.name, waiter.family) for waiter in self._waiters}
        news = {question: self._news(*question) for question in asked}
        for waiter in list(self._waiters):
            self._tell(waiter, news[waiter.name, waiter.family])

    def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_AT_ONCE):
            try:
                sock, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor is left: later
                loop.remove_reader(listener)
                loop.call_later(CHECK_SECONDS, self._listen, listener)
                return
            self._take_in(sock)

    def _take_in(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(sock, loop.time() + NAME_SECONDS)
        leaving = self._seats.enter(waiter, peer_uid(sock))
        if leaving is waiter:
            sock.close()
            return
        if leaving is not None:
            self._drop(leaving)
        sock.setblocking(False)
        self._waiters.add(waiter)
        loop.add_reader(sock, self._hear, waiter)
        if self._timer is None:
            self._timer = loop.call_later(CHECK_SECONDS, self._time_passed)

    def _listen(self, listener: socket.socket) -> None:
        if listener is self._listener:  # not stopped meanwhile
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    def _hear(self, waiter: _Waiter) -> None:
        """The name; whatever else is heard means that the peer has gone, or is none of ours."""
        try:
            said = waiter.sock.recv(_LONGEST)
        except OSError:
            said = b""
        name, _, family = said.partition(b"\0")
        if not name or waiter.name:
            self._drop(waiter)
            return
        waiter.name = name.decode("ascii", "replace")
        waiter.family = _FAMILIES.get(family, socket.AF_UNSPEC)
        waiter.until = asyncio.get_running_loop().time() + WAIT_SECONDS
        self._tell(waiter, self._news(waiter.name, waiter.family))

    def _news(self, name: str, family: int) -> bytes:
        """What is to be said of a name now; nothing while it is pending, or not yet told."""
        if not name:
            return b""
        try:
            status = snapshot.lookup(self._table, name, family).status
        except SnapshotError:
            return b"gave up"
        return {"found": b"published", "not yet": b""}.get(status, b"gave up")

    def _tell(self, waiter: _Waiter, news: bytes) -> None:
        if news:
            with suppress(OSError):
                waiter.sock.send(news)
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
            self._timer = loop.call_later(CHECK_SECONDS, self._time_passed)
