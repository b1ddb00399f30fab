"""The service at 1,000 leases: from a lease's write to getent, its memory and its rest."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

from leasewatch.service import RESCAN_SECONDS
from tests.bench import population, serving
from tests.bench.counts import Counts
from tests.bench.harness import build
from tests.bench.leases import lag
from tests.bench.table import Row, Table, at_most, duration
from tests.bench.timing import percentile, whole_process

LEASES = 1_000


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the compiled program and the lease file."""
    program = build("leaselag", folder)
    guests = population.hosts(LEASES)
    lease_file = folder / "bench.leases"
    lease_file.write_text(population.lease_file(guests))
    with serving.service(lease_file) as pid:
        memory = serving.resident_memory(pid)
        lag(program, lease_file, counts.changes)
        getent = lag(program, lease_file, counts.getents, "getent")
        plain = _processes(["getent", "hosts", guests[0].name], counts.processes)
        grown = serving.resident_memory(pid)
        time.sleep(counts.settle_s)
        rest = serving.rest(pid, counts.idle_s)
    rows = [
        at_most("lease write -> getent finds it, p50", percentile(getent, 50) * 1e3, 5, "ms"),
        Row("getent hosts NAME, whole process", measured=duration(plain)),
        at_most("service, memory at 1,000 leases", max(memory, grown), 60, "MiB"),
        *_rest(rest, counts.idle_s),
    ]
    return Table("the service, at 1,000 leases", rows)


def _processes(command: list[str], runs: int) -> float:
    """Seconds of the median run."""
    return percentile([whole_process(command) for _ in range(runs)], 50)


def _rest(rest: serving.Rest, seconds: float) -> Iterator[Row]:
    """Nothing but the rescans may wake the service, and what they use rounds to nothing."""
    rescans = math.floor(seconds / RESCAN_SECONDS) + 1  # wherever in a period we began
    what = f"service, {{}} in {seconds:g} s of rest"
    met = rest.wake_ups <= rescans
    asked = f"<= {rescans} rescans"
    yield Row(what.format("wake-ups"), {}, f"{rest.wake_ups}", asked, met=met)
    yield at_most(what.format("CPU time"), 100 * rest.cpu / seconds, 0.05, "%")
