"""Those whom a waiting lookup may meet at the service's socket: each is a context manager.

They run in this process, hence under its uid; what they hold ends with them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

Peer = Callable[[Path], AbstractContextManager[None]]


def _listener(path: Path, backlog: int = 16) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.bind(str(path))
    path.chmod(0o666)
    sock.listen(backlog)
    return sock


@contextlib.contextmanager
def answering(path: Path, answer: Callable[[socket.socket], object]) -> Iterator[None]:
    """Accepts one connection and lets `answer` do with it what it wants; then waits to be ended."""
    end = threading.Event()
    with _listener(path) as listener:
        listener.settimeout(30)

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(30)
                    answer(connection)
                    end.wait(60)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            end.set()
            if thread.is_alive():
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as last:
                    last.setblocking(False)
                    last.connect(str(path))  # in case no peer has come
            thread.join(35)


def silent(path: Path) -> AbstractContextManager[None]:
    """Takes the question and says nothing."""
    return answering(path, lambda connection: connection.recv(512))


def dead(path: Path) -> AbstractContextManager[None]:
    """Ends the connection without a word."""
    return answering(path, lambda connection: connection.close())


def resetting(path: Path) -> AbstractContextManager[None]:
    """Will never say anything, and never hear anything."""
    return answering(path, lambda connection: connection.shutdown(socket.SHUT_RDWR))


def over_long(path: Path) -> AbstractContextManager[None]:
    """Answers with 64 KiB."""
    return answering(path, lambda connection: connection.send(b"x" * 65536))


def dripping(path: Path) -> AbstractContextManager[None]:
    """Sends one byte after the other."""

    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(200):
                connection.send(b"p")
                threading.Event().wait(0.01)

    return answering(path, drip)


@contextlib.contextmanager
def absent(path: Path) -> Iterator[None]:
    """Nothing at the path."""
    yield


@contextlib.contextmanager
def left_behind(path: Path) -> Iterator[None]:
    """The socket of a service that was killed."""
    _listener(path).close()
    yield


@contextlib.contextmanager
def no_socket(path: Path) -> Iterator[None]:
    """A file."""
    path.write_bytes(b"")
    yield


@contextlib.contextmanager
def stream(path: Path) -> Iterator[None]:
    """A socket of another kind."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()
        yield


@contextlib.contextmanager
def never_accepting(path: Path) -> Iterator[None]:
    """Listens, and that is all."""
    with _listener(path):
        yield


@contextlib.contextmanager
def full(path: Path) -> Iterator[None]:
    """Has no room for one more connection."""
    with _listener(path, backlog=0), contextlib.ExitStack() as held:
        with contextlib.suppress(BlockingIOError):
            while True:
                client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                held.enter_context(client)
                client.setblocking(False)
                client.connect(str(path))
        yield


@contextlib.contextmanager
def foreign(path: Path) -> Iterator[None]:
    """Another user's process, which answers at once. Only for root."""
    with _listener(path) as listener:
        listening, ready = os.pipe()
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                os.setresuid(65534, 65534, 65534)
                listener.listen(16)  # whose credentials peers see
                os.write(ready, b"x")
                connection, _ = listener.accept()
                connection.send(b"published")
                signal.pause()
            os._exit(0)
        try:
            os.close(ready)
            os.read(listening, 1)
            yield
        finally:
            os.close(listening)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
