"""One question at a time to a QEMU that listens for QMP. Decides nothing about domains."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from leasewatch.errors import UNDECODABLE
from nss_pyvirt.errors import UserError

_LONGEST = 1 << 20
"""Bytes that QEMU may send until the answer is complete."""


class _Error(msgspec.Struct):
    desc: str


class _Message(msgspec.Struct):
    """A reply has one of these; QEMU's greeting and its events have neither."""

    error: _Error | None = None
    value: Any = msgspec.field(name="return", default=None)


class Question:
    """A command to the QEMU whose socket is `path`. Close it in the end.

    QEMU serves one connection at a time: a second one waits for the first to end. UserError when
    QEMU does not answer within `timeout` seconds, refuses the command, or goes away.
    """

    def __init__(
        self, path: Path, command: str, timeout: float, arguments: Mapping[str, object] = {}
    ) -> None:
        self._command = command
        self._within = f"{timeout:g} s"
        self._received = b""
        self.deadline = time.monotonic() + timeout
        """Monotonic seconds."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(str(path))
            # QEMU reads the second command when it has answered the first.
            for each, given in (("qmp_capabilities", {}), (command, arguments)):
                words = {"execute": each, "arguments": given}
                self._socket.sendall(msgspec.json.encode(words) + b"\n")
        except OSError as error:
            self.close()
            raise self._failure(error) from error
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Readable when there is more of the answer."""
        return self._socket.fileno()

    def close(self) -> None:
        """Disconnect."""
        self._socket.close()

    def answer(self) -> Any:
        """The command's return value; None: it is not complete."""
        try:
            with contextlib.suppress(BlockingIOError):
                received = self._socket.recv(_LONGEST)
                self._received += received
                if not received or len(self._received) > _LONGEST:
                    raise self._failure("the peer is no QEMU, or has just ended")
            lines = self._received.split(b"\n")[:-1]
            messages = [msgspec.json.decode(line, type=_Message) for line in lines]
        except (OSError, *UNDECODABLE) as error:
            raise self._failure(error) from error
        for message in messages:
            if message.error:
                raise self._failure(message.error.desc)
        values = [message.value for message in messages if message.value is not None]
        if len(values) < 2 and time.monotonic() >= self.deadline:
            what = f"QEMU has not answered {self._command} within {self._within}"
            raise UserError(what, code="timeout")
        return values[1] if len(values) >= 2 else None

    def _failure(self, why: object) -> UserError:
        return UserError(f"QEMU does not answer {self._command}: {why}")


def ask(path: Path, command: str, arguments: Mapping[str, object] = {}, *, timeout: float) -> Any:
    """The return value of a command, for those who do not wait for anything else."""
    with contextlib.closing(Question(path, command, timeout, arguments)) as question:
        poll = select.poll()
        poll.register(question, select.POLLIN)
        while (answer := question.answer()) is None:
            poll.poll(max(0.0, question.deadline - time.monotonic()) * 1000)
        return answer
