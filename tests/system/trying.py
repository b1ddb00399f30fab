"""A script that ends in a shell of its own world, run as at a terminal."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import children_of
from tests.waiting import wait_for


@contextmanager
def trying(*command: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A script in a process group of its own, as at a terminal; killed at the end if need be."""
    program = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with program:
        try:
            yield program
        finally:
            program.kill()


def read_until(program: subprocess.Popen[str], text: str) -> str:
    """What it prints, up to the line that holds `text`."""
    assert program.stdout is not None
    seen = ""
    for line in program.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"it ended before it printed {text!r}:\n{seen}")


def world_of(program: subprocess.Popen[str]) -> str:
    """The PID namespace in which a script's programs run."""
    (unshare,) = wait_for("the world", lambda: children_of(program.pid))
    (init,) = wait_for("its first process", lambda: children_of(unshare))
    return str(Path(f"/proc/{init}/ns/pid").readlink())


def inhabitants(namespace: str) -> list[str]:
    """The command lines of a PID namespace's processes."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str((process / "ns/pid").readlink()) == namespace:
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # ended meanwhile, or hidden from us
            continue
    return found
