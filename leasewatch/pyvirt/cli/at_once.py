"""Run several of pyvirt's own commands at once. It knows none of them."""

from __future__ import annotations

import contextlib
import gc
import os
import select
import sys
from typing import TYPE_CHECKING, NoReturn

from leasewatch.pyvirt.cli import pyvirt
from nss_pyvirt.terminal import commands, frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_STARTS = 4
"""Starts for each processor: more would only make each of them slower, until it is given up."""


def start(kind: str, names: Iterable[str]) -> dict[str, int]:
    """Start networks or domains, `kind`; their exit codes."""
    # Once, not in each fork.
    from leasewatch.pyvirt.domains import domains  # noqa: F401, PLC0415
    from leasewatch.pyvirt.networks import networks  # noqa: F401, PLC0415

    return _each(kind, "start", names, _STARTS * (os.cpu_count() or 1))


def stop_networks(names: Iterable[str]) -> dict[str, int]:
    """Stop networks; their exit codes."""
    from leasewatch.pyvirt.networks import stops  # noqa: F401, PLC0415  once, not in each fork

    return _each("network", "stop", names, None)


def _each(kind: str, verb: str, names: Iterable[str], width: int | None) -> dict[str, int]:
    several = list(dict.fromkeys(names))
    words = ([kind, verb, *["--"][: name.startswith("-")], name] for name in several)
    return dict(zip(several, run(words, width), strict=True))


def run(several: Iterable[Sequence[str]], width: int | None = None) -> list[int]:
    """Run `pyvirt WORDS` for each, at most `width` at a time; their exit codes, in this order.

    Each runs in a fork: import before what all of them need. What one prints appears as a whole
    when it ends.
    """
    waiting = list(enumerate(several))[::-1]
    codes = [0] * len(waiting)
    gc.freeze()  # a collection in a fork would copy every page
    with contextlib.ExitStack() as ours:
        running: dict[int, tuple[int, _Fork]] = {}
        ours.callback(lambda: [fork.finish() for _, fork in running.values()])
        while waiting or running:
            while waiting and (width is None or len(running) < width):
                index, words = waiting.pop()
                fork = _Fork(words)
                running[fork.pidfd] = index, fork
            poll = select.poll()
            for pidfd in running:
                poll.register(pidfd, select.POLLIN)
            for pidfd, _ in poll.poll():
                index, fork = running.pop(pidfd)
                codes[index] = fork.finish()
    return codes


class _Fork:
    """One command in a process of its own."""

    def __init__(self, words: Sequence[str]) -> None:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()  # else both processes would print what it holds
        self._files = [os.fdopen(os.memfd_create("said"), "w+b") for _ in range(2)]
        self._pid = os.fork()
        if not self._pid:
            self._become(words)
        self.pidfd = os.pidfd_open(self._pid)

    def _become(self, words: Sequence[str]) -> NoReturn:
        code = 1
        try:
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # several could not ask at one terminal
            for number, file in enumerate(self._files, 1):
                os.dup2(file.fileno(), number)
            output = ["-o", "json"] if commands.Command.prints_json else []
            code = frame.run(pyvirt.command, "pyvirt", [*words, *output])
        except BaseException:  # noqa: BLE001  # the child must never return into its caller
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)

    def finish(self) -> int:
        """Wait for its end, print what it has printed, and return its exit code."""
        _, status = os.waitpid(self._pid, 0)
        os.close(self.pidfd)
        for file, err in ((self._files[1], True), (self._files[0], False)):
            with file:
                file.seek(0)
                frame.write(file.read().decode(errors="replace"), err=err)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code  # as a shell has it
