"""From the start of a guest to its name, and from there to the first login by ssh."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench.timing import BenchError, whole_process

_DEADLINE = 180.0
_PAUSE = 0.002


class Boot(NamedTuple):
    """A contestant's guest."""

    start: list[str]
    stop: list[str]
    is_named: Callable[[], bool]
    """Whether its name is found."""
    host: list[str]
    """What ssh takes for it."""
    leases: Path | None = None
    """The file that still has the lease of the boot before, by which the name would be found."""


def boot(guest: Boot) -> tuple[float, float]:
    """Start it, log in, stop it: seconds until its name was found, and from there to the login."""
    if guest.leases is not None:
        guest.leases.write_text("")
    begin = time.perf_counter()
    whole_process(guest.start)
    while not guest.is_named():
        if time.perf_counter() - begin > _DEADLINE:
            raise BenchError(f"{guest.host[-1]} was not found within {_DEADLINE:g} s")
        time.sleep(_PAUSE)
    named = time.perf_counter()
    whole_process(["ssh", "-o", "BatchMode=yes", *guest.host, "true"])
    done = time.perf_counter()
    whole_process(guest.stop)
    return named - begin, done - named
