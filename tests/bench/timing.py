"""Times of whole processes, and the quietest of many figures. Knows no product of ours."""

from __future__ import annotations

import os
import select
import statistics
import time
from collections.abc import Sequence


class BenchError(Exception):
    """A figure that cannot be measured here; the text says why."""


def quietest(times: Sequence[float]) -> float:
    """The median of the fastest fifth: what the machine does undisturbed."""
    fastest = sorted(times)[: max(1, len(times) // 5)]
    return statistics.median(fastest)


def percentile(times: Sequence[float], share: int) -> float:
    """The smallest figure that `share` per cent of all do not exceed (nearest rank)."""
    ordered = sorted(times)
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def whole_process(argv: list[str], deadline: float = 30) -> float:
    """Seconds from the start of a program to its end; BenchError when it fails or lingers.

    Waits on a pidfd: subprocess' own wait(timeout) sleeps in growing steps, up to 50 ms.
    """
    start = time.perf_counter()
    pid = os.posix_spawnp(
        argv[0],
        argv,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)],
    )
    pidfd = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    ended = poll.poll(deadline * 1000)
    took = time.perf_counter() - start
    os.close(pidfd)
    if not ended:
        os.kill(pid, 9)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise BenchError(f"{' '.join(argv)}: exit {status} after {took:.1f} s")
    return took
