"""QMP over a connected socket, without waiting. Decides nothing about domains."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any, Literal

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
    timestamp: dict[str, int] = {}
    """When it happened, by QEMU's clock: `seconds` and `microseconds`."""
    command: str = msgspec.field(name="id", default="")
    """The name of the command that this answers: the command itself if `ask` sent it."""
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
        self.send(command, arguments, command)

    def send(
        self,
        command: str,
        arguments: Mapping[str, object],
        name: str,
        fds: Sequence[int] = (),
        *,
        execute: Literal["execute", "exec-oob"] = "execute",
    ) -> bool:
        """Send a command, with descriptors; the report that answers it has `name`.

        False: QEMU has ended, or has read nothing for long. `exec-oob`: even while it is busy.
        """
        message = {execute: command, "arguments": arguments, "id": name}
        line = memoryview(msgspec.json.encode(message) + b"\n")
        try:
            if fds:  # QEMU must have them before it reads the end of the line
                line = line[socket.send_fds(self._socket, [line], fds) :]
            self._socket.sendall(line)
        except OSError:
            return False
        return True

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
