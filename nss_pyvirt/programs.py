"""Find, start and run programs. What a failure means, the caller knows.

posix_spawn(3) starts them: the module subprocess would cost every command 5 ms.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from nss_pyvirt.errors import UserError

_IGNORED: Final = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores these; programs expect the default action."""


def find(name: str, package: str = "") -> str:
    """Absolute path of a program, the sbin folders included; UserError names the Debian package."""
    for folder in (*os.environ.get("PATH", os.defpath).split(":"), "/usr/sbin", "/sbin"):
        if os.access(program := f"{folder}/{name}", os.X_OK) and Path(program).is_file():
            return program
    hint = f"apt install {package}" if package else ""
    raise UserError(f"{name} is not installed", hint, "missing")


def wait_pidfd(pidfd: int, timeout: float) -> bool:
    """Whether the process has ended within `timeout` seconds."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(max(0, round(timeout * 1000))))


class Child:
    """A program that runs under this process. It inherits no descriptor but those given here.

    `streams` are its stdin, stdout and stderr; None: /dev/null. `kept` stay open under their own
    numbers. OSError where it cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        streams: Sequence[int | None] = (None, None, None),
        *,
        kept: Iterable[int] = (),
        environment: Mapping[str, str] = os.environ,
        leads_session: bool = False,
    ) -> None:
        actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, fd, fd) for fd in kept]
        for number, fd in enumerate(streams):
            if fd is None:
                actions.append((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0))
            else:
                actions.append((os.POSIX_SPAWN_DUP2, fd, number))
        self.pid = os.posix_spawn(
            argv[0],
            list(argv),
            environment,
            file_actions=actions,
            setsid=leads_session,
            setsigdef=_IGNORED,
        )
        try:
            self.pidfd = os.pidfd_open(self.pid)
        except OSError:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            raise

    def kill(self) -> None:
        """End it at once."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def reap(self) -> int:
        """Wait for its end; its exit code, or -N where signal N has ended it. Call it once."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        return os.waitstatus_to_exitcode(status)


class Done(NamedTuple):
    """The exit code of a tool, or -N where signal N has ended it, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def run(argv: Sequence[str], *, package: str = "", text: str = "", timeout: float = 10.0) -> Done:
    """Run a tool of the Debian package `package` to its end, with `text` on its standard input.

    UserError where it is not installed or has not ended after `timeout` seconds; it is killed then.
    OSError where no descriptor is left. The caller looks at the exit code.
    """
    program = find(argv[0], package)
    with contextlib.ExitStack() as ours:
        streams = [ours.enter_context(os.fdopen(os.memfd_create(argv[0]), "w+b")) for _ in range(3)]
        given, said, complained = streams
        given.write(text.encode())
        given.seek(0)
        child = Child([program, *argv[1:]], [stream.fileno() for stream in streams])
        ended = False
        try:
            ended = wait_pidfd(child.pidfd, timeout)
        finally:
            if not ended:
                child.kill()
            code = child.reap()
        if not ended:
            what = f"{argv[0]} has not ended within {timeout:g} s"
            import shlex  # noqa: PLC0415  # only here

            hint = f"see whether this ends: {shlex.join(argv)}"
            raise UserError(what, hint, "timeout")
        return Done(code, _content(said), _content(complained))


def _content(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
