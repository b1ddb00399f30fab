"""Pass connections on from one socket to another.

A connection over TCP begins with a token that both hosts know through ssh. Else any host could send
a guest. It knows nothing of QEMU and ssh.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import secrets
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from leasewatch.pyvirt import process

PATIENCE: Final = 10.0
"""Seconds for a connection to be made, and for its token to come."""
_TOKEN: Final = 32
_STRANGERS: Final = 512
"""Connections whose token has not come, at once; more are closed. QEMU makes up to 256."""
_LOST: Final = 15
"""Seconds until a link is given up over which nothing comes."""
_LET_IN: Final = b"\x06"
"""What answers a token, once the connection is passed on."""
_AT_ONCE: Final = 1 << 18
"""Bytes that are passed on at once. splice(2) takes no less time between two sockets."""

Reach = Callable[[socket.socket], socket.socket | None]
"""The socket to which a connection is passed on, connected; None: the relay's `keep` gets it.

OSError: the connection is closed.
"""


class Relay:
    """Accepts connections from `listener`, which it closes in the end, and passes them on.

    Connections reach the other side in their order: QEMU 7.2 takes the first one for its main one.
    `strangers`: others than QEMU may connect, so each connection is checked beside the others.
    The end of what one side sends is passed on alone: the other side may go on sending.
    """

    def __init__(
        self,
        listener: socket.socket,
        reach: Reach,
        *,
        strangers: bool = False,
        keep: Callable[[socket.socket], None] = socket.socket.close,
    ) -> None:
        self._listener, self._reach, self._in_order = listener, reach, not strangers
        self._keep = keep
        self._guard = threading.Lock()
        self._ends = {listener}
        self._is_open = True
        self._strangers = threading.BoundedSemaphore(_STRANGERS)
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def close(self) -> None:
        """End all connections."""
        with self._guard:
            self._is_open = False
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _run(self, step: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=step, args=arguments, daemon=True)
        thread.start()
        self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]

    def _accept(self) -> None:
        while self._is_open:
            try:
                come, _ = self._listener.accept()
            except OSError:  # closed; or no descriptor is left
                time.sleep(0.05)
                continue
            if self._in_order:
                reached = threading.Event()
                self._run(self._serve, come, reached.set)
                reached.wait()
            elif self._strangers.acquire(blocking=False):
                self._run(self._serve, come, self._strangers.release)
            else:
                come.close()

    def _serve(self, come: socket.socket, reached: Callable[[], None]) -> None:
        """Pass a connection on; calls `reached` once it has reached the other side, or cannot."""
        with contextlib.suppress(OSError), come:
            with contextlib.ExitStack() as held:
                with contextlib.ExitStack() as reaching:
                    reaching.callback(reached)
                    held.enter_context(self._ending(come))
                    onward = self._reach(come)
                if onward is not None:
                    held.enter_context(onward)
                    held.enter_context(self._ending(onward))
                    _join(come, onward)
            if onward is None:
                self._keep(come.dup())

    @contextlib.contextmanager
    def _ending(self, end: socket.socket) -> Iterator[None]:
        """`close` ends it meanwhile."""
        with self._guard:
            if not self._is_open:
                raise ConnectionAbortedError
            self._ends.add(end)
        try:
            yield
        finally:
            with self._guard:
                self._ends.discard(end)


def new_token() -> bytes:
    """Random bytes that a connection must begin with."""
    return secrets.token_bytes(_TOKEN)


def to_host(host: str, port: int, token: bytes) -> Reach:
    """Over TCP, to a relay that admits connections with this token."""
    return lambda _: connect_to_host(host, port, token)


def connect_to_host(host: str, port: int, token: bytes) -> socket.socket:
    """Connect over TCP to who admits connections with this token; OSError if that fails."""
    connected = socket.create_connection((host, port), PATIENCE)
    try:
        connected.sendall(token)
        if connected.recv(len(_LET_IN)) != _LET_IN:
            raise ConnectionRefusedError
        _notice_loss(connected)
    except OSError:
        connected.close()
        raise
    return connected


def by_token(token: bytes, onward: Reach) -> Reach:
    """To where `onward` leads, but only connections that begin with this token."""

    def reach(come: socket.socket) -> socket.socket | None:
        given = _received(come, time.monotonic() + PATIENCE)
        if not hmac.compare_digest(token, given):
            raise ConnectionRefusedError
        _notice_loss(come)
        reached = onward(come)
        come.sendall(_LET_IN)
        return reached

    return reach


def nowhere(_: socket.socket) -> None:
    """Who made the relay keeps the connection."""


def listen_tcp(host: str, ports: Sequence[int]) -> socket.socket:
    """A TCP socket at the first of `ports` that is free.

    It is at the address of `host`; if this machine has none such (it may be translated on the
    way), at all addresses. OSError if no port is free, or `host` has no address.
    """
    family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    everywhere = "::" if family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104  the token guards it
    for port in ports:
        for name in (str(address[0]), everywhere):
            try:
                return socket.create_server((name, port), family=family, backlog=_STRANGERS)
            except OSError as error:
                if error.errno == errno.EADDRINUSE and port != ports[-1]:
                    break
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
    raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


def to_socket(path: Path) -> Reach:
    """To the Unix socket `path`."""
    return lambda _: connect(path)


def listen(path: Path) -> socket.socket:
    """A Unix socket at `path`, to which every user of that folder may connect.

    Another user may own the folder: no link there is followed.
    """
    listener = socket.socket(socket.AF_UNIX)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
        with _opened(path) as itself:
            itself.chmod(0o666)
        listener.listen(_STRANGERS)
    except OSError:
        listener.close()
        raise
    return listener


def connect(path: Path) -> socket.socket:
    """Connect to the Unix socket `path`; as `listen`, it follows no link there."""
    connected = socket.socket(socket.AF_UNIX)
    try:
        connected.settimeout(PATIENCE)
        with _opened(path) as itself:
            connected.connect(str(itself))
        connected.settimeout(None)
    except OSError:
        connected.close()
        raise
    return connected


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Path]:
    """A name of the socket `path` that stays the same socket. OSError if it is no socket."""
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            raise ConnectionRefusedError
        yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def _received(come: socket.socket, deadline: float) -> bytes:
    """The first bytes, as many as a token has. OSError if they do not come by `deadline`."""
    token = b""
    while len(token) < _TOKEN:
        come.settimeout(max(0.001, deadline - time.monotonic()))
        more = come.recv(_TOKEN - len(token))
        if not more:
            raise ConnectionResetError
        token += more
    return token


def _notice_loss(end: socket.socket) -> None:
    """Have the kernel end a TCP connection whose other end no longer answers."""
    end.settimeout(None)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _LOST // 3)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _LOST // 3)
    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _LOST * 1000)


def _join(one: socket.socket, other: socket.socket) -> None:
    """Pass on what comes, both ways, until both have ended."""
    back = threading.Thread(target=_pass_on, args=(other, one), daemon=True)
    back.start()
    _pass_on(one, other)
    back.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """One way. An error ends both ways."""
    process.hurry()
    buffer = memoryview(bytearray(_AT_ONCE))
    try:
        while size := source.recv_into(buffer):
            target.sendall(buffer[:size])
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
