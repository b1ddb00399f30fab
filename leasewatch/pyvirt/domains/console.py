"""A guest's serial console: join it with a terminal, and keep the end of its output."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

ESCAPE = b"\x1d"
"""Ctrl-]"""

_CHUNK = 65536
_ANSWER = 0.5  # seconds in which a guest may answer to the end of a pipe


class Log:
    """A file of at most `limit` bytes: when full, it is moved to NAME.1 and a new one is begun."""

    def __init__(self, path: Path, limit: int = 1 << 19) -> None:
        self._path = path
        self._limit = limit
        self._file = path.open("wb", buffering=0)

    def write(self, data: bytes) -> None:
        """Append; `data` is at most `limit` bytes."""
        if self._file.tell() + len(data) > self._limit:
            self._file.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._file = self._path.open("wb", buffering=0)
        self._file.write(data)

    def close(self) -> None:
        """No more writes."""
        self._file.close()


def attach(path: Path, keyboard: int, screen: int) -> bool:
    """Join the console socket at `path` with two descriptors until one side ends.

    A terminal is in raw mode meanwhile; ESCAPE leaves. When a pipe ends, output is read for half a
    second more. True: the person left; False: the guest has ended. OSError when nothing listens.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as console:
        console.connect(str(path))
        with _raw(keyboard):
            return _relay(console, keyboard, screen)


def _relay(console: socket.socket, keyboard: int, screen: int) -> bool:
    is_terminal = os.isatty(keyboard)
    sources, until = [console.fileno(), keyboard], math.inf
    while (left := until - time.monotonic()) > 0:
        readable, _, _ = select.select(sources, [], [], None if left == math.inf else left)
        if console.fileno() in readable:
            data = console.recv(_CHUNK)
            _write_all(screen, data)
            if not data:
                return False
        if keyboard in readable:
            typed = os.read(keyboard, _CHUNK)
            before, escape, _ = typed.partition(ESCAPE) if is_terminal else (typed, b"", b"")
            console.sendall(before)
            if escape or (is_terminal and not typed):
                return True
            if not typed:  # a pipe has ended
                sources, until = [console.fileno()], time.monotonic() + _ANSWER
    return True


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]


@contextlib.contextmanager
def _raw(fd: int) -> Iterator[None]:
    if not os.isatty(fd):
        yield
        return
    before = termios.tcgetattr(fd)
    try:
        tty.setraw(fd)
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSAFLUSH, before)
