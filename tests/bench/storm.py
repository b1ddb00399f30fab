"""1,000 changes a second: a writer that rewrites 1,000 lines 50 times a second, 20 of them new.

Each line that goes is another machine's at once, under a new name and at the same address. A change
counts as lost when its name was not found before its line went again, a second later.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from tests.bench import population, serving
from tests.bench.asking import Module
from tests.bench.counts import Counts
from tests.bench.table import Table, at_most
from tests.bench.timing import percentile

LINES, EACH, PERIOD = 1_000, 20, 0.02
_BLOCK = 4096
_PAUSE = 300e-6


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the lease file."""
    lease_file = folder / "storm.leases"
    lines = deque(population.lease_file(population.hosts(LINES)).encode().splitlines(keepends=True))
    lease_file.write_bytes(b"".join(lines))
    lags: list[float] = []
    with serving.service(lease_file) as pid, lease_file.open("r+b", buffering=0) as file:
        lost = _storm(file.fileno(), lines, counts.storm_s, lags)
        module = Module("pyvirt")
        lost += sum(not module.finds(line.split()[3].decode()) for line in lines)
        memory = serving.resident_memory(pid)
    title = f"{EACH / PERIOD:,.0f} changes a second for {counts.storm_s:g} s"
    rows = [
        at_most("a change's lag, p99", percentile(lags, 99) * 1e3, 100, "ms"),
        at_most("a change's lag, the longest", max(lags) * 1e3, 100, "ms"),
        at_most("changes lost", lost, 0, f"of {len(lags):,}"),
        at_most("service, memory afterwards", memory, 60, "MiB"),
    ]
    return Table(title, rows)


def _storm(fd: int, lines: deque[bytes], seconds: float, lags: list[float]) -> int:
    """Rewrite and look again and again; adds each change's lag, returns how many were lost."""
    module = Module("pyvirt")
    waiting: deque[tuple[str, float]] = deque()
    """Names that are not found yet, and when their lines were written; the oldest first."""
    lost = 0
    names = _names()
    begin = time.perf_counter()
    for rewrite in range(round(seconds / PERIOD)):
        due = begin + rewrite * PERIOD
        time.sleep(max(0.0, due - time.perf_counter()))
        written = time.perf_counter()
        waiting.extend((name, written) for name in _change(lines, names))
        _rewrite(fd, b"".join(lines))
        while time.perf_counter() < due + PERIOD - _PAUSE:
            while waiting and module.finds(waiting[0][0]):
                lags.append(time.perf_counter() - waiting.popleft()[1])
            if not waiting:
                break
            time.sleep(_PAUSE)
        while len(waiting) > LINES - EACH:  # the next rewrite takes their lines away
            lags.append(time.perf_counter() - waiting.popleft()[1])
            lost += 1
    for name, written in waiting:
        module.until_found(name)
        lags.append(time.perf_counter() - written)
    return lost


def _change(lines: deque[bytes], names: Iterator[str]) -> list[str]:
    """Other machines in place of the oldest lines, newest first as dnsmasq has them."""
    fresh = []
    for _ in range(EACH):
        name = next(names)
        expires, _, address, *_ = lines.pop().split()
        mac = b"52:54:03:" + b":".join(b"%02x" % byte for byte in int(name[1:]).to_bytes(3, "big"))
        lines.appendleft(b"%s %s %s %s *\n" % (expires, mac, address, name.encode()))
        fresh.append(name)
    return fresh


def _names() -> Iterator[str]:
    number = 0
    while True:
        yield f"s{number}"
        number += 1


def _rewrite(fd: int, text: bytes) -> None:
    """As dnsmasq does."""
    os.lseek(fd, 0, os.SEEK_SET)
    os.ftruncate(fd, 0)
    for at in range(0, len(text), _BLOCK):
        os.write(fd, text[at : at + _BLOCK])
    os.fsync(fd)
