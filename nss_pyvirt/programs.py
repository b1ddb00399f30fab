"""Find, start and run programs. What a failure means, the caller knows.

posix_spawn(3) starts them: the module subprocess would cost every command 5 ms.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Self

from nss_pyvirt import pidfds
from nss_pyvirt.errors import UserError

IGNORED: Final = (signal.SIGPIPE, signal.SIGXFSZ)
"""Python ignores these; programs expect the default action."""


def find(name: str, package: str = "") -> str:
    """Absolute path of a program, the sbin folders included; UserError names the Debian package."""
    for folder in (*os.environ.get("PATH", os.defpath).split(":"), "/usr/sbin", "/sbin"):
        program = Path(folder, name)  # `name` itself if it is absolute
        if os.access(program, os.X_OK) and program.is_file():
            return str(program)
    hint = f"apt install {package}" if package else ""
    raise UserError(f"{name} is not installed", hint, "missing")


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
    ) -> None:
        actions: list[tuple[Any, ...]] = [(os.POSIX_SPAWN_DUP2, fd, fd) for fd in kept]
        for number, fd in enumerate(streams):
            if fd is None:
                actions.append((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0))
            else:
                actions.append((os.POSIX_SPAWN_DUP2, fd, number))
        pid = os.posix_spawn(
            argv[0],
            list(argv),
            environment,
            file_actions=actions,
            setsigdef=IGNORED,
        )
        self._watch(pid)

    @classmethod
    def adopt(cls, pid: int) -> Self:
        """A child that was started by other means."""
        self = cls.__new__(cls)
        self._watch(pid)
        return self

    def _watch(self, pid: int) -> None:
        self.pid = pid
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


class Tool:
    """A tool of the Debian package `package` that runs, with `text` on its standard input.

    `kept` descriptors stay open under their own numbers. UserError where it is not installed,
    OSError where no descriptor is left.
    """

    def __init__(
        self, argv: Sequence[str], *, package: str = "", text: str = "", kept: Iterable[int] = ()
    ) -> None:
        self._argv = argv
        program = find(argv[0], package)
        with contextlib.ExitStack() as ours:
            self._streams = [
                ours.enter_context(os.fdopen(os.memfd_create(argv[0]), "w+b")) for _ in range(3)
            ]
            self._streams[0].write(text.encode())
            self._streams[0].seek(0)
            numbers = [stream.fileno() for stream in self._streams]
            self._child = Child([program, *argv[1:]], numbers, kept=kept)
            self._ours = ours.pop_all()

    def has_ended(self, timeout: float) -> bool:
        """Whether it has ended within `timeout` seconds."""
        return pidfds.wait(self._child.pidfd, timeout)

    def finish(self, timeout: float = 10.0) -> Done:
        """Wait for its end. UserError after `timeout` seconds; it is killed then."""
        with self._ours:
            ended = False
            try:
                ended = self.has_ended(timeout)
            finally:
                if not ended:
                    self._child.kill()
                code = self._child.reap()
            if not ended:
                import shlex  # noqa: PLC0415  # only here

                what = f"{self._argv[0]} has not ended within {timeout:g} s"
                hint = f"see whether this ends: {shlex.join(self._argv)}"
                raise UserError(what, hint, "timeout")
            return Done(code, *map(_content, self._streams[1:]))


def run(
    argv: Sequence[str],
    *,
    package: str = "",
    text: str = "",
    timeout: float = 10.0,
    kept: Iterable[int] = (),
) -> Done:
    """Run a tool to its end, as `Tool` does; the caller looks at the exit code."""
    return Tool(argv, package=package, text=text, kept=kept).finish(timeout)


def _content(stream: BinaryIO) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
