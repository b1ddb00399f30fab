"""The QMP monitor by which the parent of a QEMU gets its events. Decides nothing about domains."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import msgspec

from leasewatch.errors import UNDECODABLE

_LONGEST = 1 << 20
"""Bytes that one message may have."""


class _Failure(msgspec.Struct):
    desc: str


class Report(msgspec.Struct):
    """An event, or the answer to a command; QEMU's greeting is neither."""

    event: str = ""
    data: dict[str, Any] = {}
    command: str = msgspec.field(name="id", default="")
    """The command that this answers."""
    value: Any = msgspec.field(name="return", default=None)
    error: _Failure | None = None


class Monitor:
    """A connection to a QEMU that has the other end. It never waits for QEMU."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._socket.setblocking(False)
        self._received = b""
        self.is_open = True
        """QEMU has neither closed it nor sent what is no QMP."""

    def fileno(self) -> int:
        """Readable when there are reports."""
        return self._socket.fileno()

    def ask(self, command: str, **arguments: Any) -> None:
        """Send a command; the report that answers it has its name."""
        message = {"execute": command, "arguments": arguments, "id": command}
        with contextlib.suppress(OSError):  # it has ended, or has read nothing for long
            self._socket.sendall(msgspec.json.encode(message) + b"\n")

    def read(self) -> list[Report]:
        """What QEMU has reported since the last time."""
        try:
            received = self._socket.recv(65536)
            *lines, self._received = (self._received + received).split(b"\n")
            reports = [msgspec.json.decode(line, type=Report) for line in lines]
        except BlockingIOError:
            return []
        except (OSError, *UNDECODABLE):
            self.is_open = False
            return []
        self.is_open = bool(received) and len(self._received) <= _LONGEST
        return reports

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()
