"""The service at 10,000 and 100,000 leases: from its start to the first table, a change, memory."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from tests.bench import population, serving
from tests.bench.counts import Counts
from tests.bench.harness import build
from tests.bench.table import HOSTS, Row, Table, at_most, duration, figure
from tests.bench.timing import BenchError, percentile

LIMITS = {10_000: 30, 100_000: 300}
"""Milliseconds of the 99th percentile, by leases."""
LARGEST = max(LIMITS)


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the compiled program and the lease files."""
    program = build("leaselag", folder)
    lags: dict[int, list[float]] = {}
    starts: dict[int, float] = {}
    memory: dict[int, float] = {}
    for leases in LIMITS:
        lease_file = folder / f"leases.{leases}"
        lease_file.write_text(population.lease_file(population.hosts(leases)))
        begin = time.monotonic()
        with serving.service(lease_file) as pid:
            starts[leases] = time.monotonic() - begin
            changes = max(3, counts.changes * 16_000 // leases)
            lags[leases] = lag(program, lease_file, min(changes, counts.changes))
            memory[leases] = serving.resident_memory(pid)
        lease_file.unlink()
    columns = {leases: HOSTS[leases].replace("hosts", "leases") for leases in LIMITS}
    medians = {leases: duration(percentile(times, 50)) for leases, times in lags.items()}
    rows = [
        Row("lease write -> name found, p50", medians),
        *(
            at_most(f"p99 at {leases:,} leases", percentile(lags[leases], 99) * 1e3, limit, "ms")
            for leases, limit in LIMITS.items()
        ),
        at_most(
            "start -> first table",
            starts[LARGEST],
            3,
            "s",
            cells={leases: duration(seconds) for leases, seconds in starts.items()},
        ),
        at_most(
            "service, memory",
            memory[LARGEST],
            250,
            "MiB",
            cells={leases: f"{figure(mib)} MiB" for leases, mib in memory.items()},
        ),
    ]
    return Table("the service, at many leases", rows, columns)


def lag(program: Path, lease_file: Path, changes: int, *asked: str) -> list[float]:
    """Seconds of each change (leaselag.c), as the module or `asked` sees it."""
    command = [str(program), str(lease_file), str(changes)]
    done = subprocess.run(
        [*command, *(asked or ("libnss_pyvirt.so.2", "pyvirt"))],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        raise BenchError(done.stderr.strip())
    return [int(line) * 1e-9 for line in done.stdout.splitlines()]
