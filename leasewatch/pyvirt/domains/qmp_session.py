"""A connection to a QEMU that listens for QMP: questions, answers and events.

Decides nothing about domains.
"""

from __future__ import annotations

import collections
import contextlib
import select
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from leasewatch.pyvirt.domains.monitor import Monitor, Report
from nss_pyvirt.errors import UserError

_CONNECTED: Final = "the greeting"
_ENDED: Final = "the peer is no QEMU, or has just ended"


class RefusedError(UserError):
    """QEMU refuses a command; `desc` has its own words."""

    def __init__(self, command: str, desc: str) -> None:
        super().__init__(f"QEMU refuses {command}: {desc}")
        self.desc = desc


class QmpSession:
    """One owner's connection to the QEMU whose socket is `path`. Close it in the end.

    QEMU serves one connection at a time: a second one waits for the first to end. `timeout`: the
    seconds that QEMU has for each answer. UserError when it has not answered by then, or goes away.
    """

    def __init__(self, path: Path, timeout: float) -> None:
        self._timeout = timeout
        self._events: collections.deque[Report] = collections.deque()
        self._answers: dict[str, Report] = {}
        self._asked = 0
        """Questions so far. A late answer must not pass for that of a later question."""
        connected = socket.socket(socket.AF_UNIX)
        try:
            connected.settimeout(timeout)
            connected.connect(str(path))
        except OSError as error:
            connected.close()
            raise UserError(f"QEMU does not answer: {error}", code="unavailable") from error
        self._monitor = Monitor(connected)
        # QEMU reads the next command once it has answered this one.
        self._monitor.send("qmp_capabilities", {}, _CONNECTED)

    def ask(
        self,
        command: str,
        arguments: Mapping[str, object] = {},
        *,
        timeout: float | None = None,
        fds: Sequence[int] = (),
    ) -> Any:
        """The return value of a command; RefusedError with QEMU's words.

        `fds` go along for `getfd` and `add-fd`. Events that arrive meanwhile are kept.
        """
        allowed = self._timeout if timeout is None else timeout
        self._asked += 1
        name = str(self._asked)
        if not self._monitor.send(command, arguments, name, fds):
            raise UserError(f"QEMU does not answer {command}: {_ENDED}", code="unavailable")
        deadline = time.monotonic() + allowed
        while name not in self._answers:
            if not self._read(deadline):
                what = f"QEMU has not answered {command} within {allowed:g} s"
                raise UserError(what, code="timeout")
            if not self._monitor.is_open and name not in self._answers:
                raise UserError(f"QEMU does not answer {command}: {_ENDED}", code="unavailable")
        answer = self._answers.pop(name)
        if answer.error is not None:
            raise RefusedError(command, answer.error.desc)
        return answer.value

    def next_event(self, deadline: float) -> Report | None:
        """The oldest event that was not asked for yet; None: none until `deadline` (monotonic)."""
        while not self._events:
            if not self._monitor.is_open:
                raise UserError(f"QEMU sends no events: {_ENDED}", code="unavailable")
            if not self._read(deadline):
                return None
        return self._events.popleft()

    def fileno(self) -> int:
        """Readable when there may be events."""
        return self._monitor.fileno()

    def close(self) -> None:
        """Disconnect."""
        self._monitor.close()

    def _read(self, deadline: float) -> bool:
        """Sort what arrives until `deadline`; False: nothing."""
        poll = select.poll()
        poll.register(self._monitor, select.POLLIN)
        if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            return False
        for report in self._monitor.read():
            if report.event:
                self._events.append(report)
            elif report.command:
                self._answers[report.command] = report
        return True


def ask(path: Path, command: str, arguments: Mapping[str, object] = {}, *, timeout: float) -> Any:
    """The return value of one command."""
    with contextlib.closing(QmpSession(path, timeout)) as session:
        return session.ask(command, arguments)
