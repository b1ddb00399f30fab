"""Kill a command with SIGKILL in front of any of its steps that change files, for tests."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.forking import fork

_CHANGES = {
    *("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod"),
    *("os.chown", "os.truncate", "fcntl.flock", "fcntl.lockf", "subprocess.Popen"),
}


def killed_at_each_step(act: Callable[[], object], prepare: Callable[[], None]) -> Iterator[int]:
    """Run `act` in a child again and again, each time killed one step later.

    Before each run comes `prepare`. Yields the number of the step after each kill, until `act` gets
    through; what it raises then is an AssertionError here.
    """
    for step in range(1, 500):
        prepare()
        code = _run(act, step)
        if code == 0:
            return
        assert code == -signal.SIGKILL, f"it failed at step {step}: exit {code}"
        yield step
    raise AssertionError("it never ends")


def _run(act: Callable[[], object], step: int) -> int:
    def run() -> int:
        kill_at(step)
        act()
        return 0

    return os.waitstatus_to_exitcode(os.waitpid(fork(run), 0)[1])


def kill_at(step: int) -> None:
    """Kill this process, or a fork of it, in front of its step of that number."""
    left = step

    def look(event: str, values: tuple[object, ...]) -> None:
        nonlocal left
        writes = event == "open" and isinstance(values[2], int) and values[2] & os.O_ACCMODE
        if writes or event in _CHANGES:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)


def everything(root: Path) -> set[str]:
    """What is there."""
    return {str(path.relative_to(root)) for path in root.rglob("*")}
