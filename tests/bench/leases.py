"""The service at 1,000 to 100,000 leases: from its start to the first table, a change, memory."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.bench import population, serving
from tests.bench.counts import Counts
from tests.bench.harness import build
from tests.bench.table import HOSTS, Row, Table, at_most, duration, figure
from tests.bench.timing import BenchError, percentile

P50 = {1_000: 2.5, 10_000: 7, 100_000: 45}
P99 = {1_000: 8, 10_000: 30, 100_000: 300}
"""Milliseconds asked, by leases."""
FOUND = "lease write -> name found"
_BARE_TURNS = 20


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the compiled program and the lease files."""
    program = build("leaselag", folder)
    lags: dict[int, list[float]] = {}
    alone: dict[int, float] = {}
    starts: dict[int, float] = {}
    memory: dict[int, float] = {}
    sizes = [leases for leases in P50 if leases <= max(counts.hosts)]
    for leases in sizes:
        lease_file = folder / f"leases.{leases}"
        lease_file.write_text(population.lease_file(population.hosts(leases)))
        begin = time.monotonic()
        with serving.service(lease_file) as pid:
            starts[leases] = time.monotonic() - begin
            changes = max(3, counts.changes * 16_000 // leases)
            lags[leases] = lag(program, lease_file, min(changes, counts.changes))
            memory[leases] = serving.resident_memory(pid)
            alone[leases] = _write_and_rename()
        lease_file.unlink()
    columns = {leases: HOSTS[leases].replace("hosts", "leases") for leases in sizes}
    shares = {share: {n: percentile(lags[n], share) for n in sizes} for share in (50, 99)}
    rows = [
        *(Row(f"{FOUND}, p{share}", _durations(of)) for share, of in shares.items()),
        Row("write + rename of the table alone, p50", _durations(alone)),
        *(
            at_most(f"p{share} at {n:,} leases", shares[share][n] * 1e3, limit, "ms")
            for share, limits in ((50, P50), (99, P99))
            for n, limit in limits.items()
            if n in sizes
        ),
        at_most("start -> first table", starts[sizes[-1]], 3, "s", cells=_durations(starts)),
        at_most(
            "service, memory",
            memory[sizes[-1]],
            250,
            "MiB",
            cells={leases: f"{figure(mib)} MiB" for leases, mib in memory.items()},
        ),
    ]
    return Table("the service, at many leases", rows, columns)


def _durations(seconds: Mapping[int, float]) -> dict[int, str]:
    return {leases: duration(taken) for leases, taken in seconds.items()}


def _write_and_rename() -> float:
    """Seconds of the median: what replacing the published table takes without any other work."""
    content = serving.TABLE.read_bytes()
    new, copy = (serving.TABLE.with_name(f"alone.{what}") for what in ("new", "copy"))
    taken = []
    for _ in range(_BARE_TURNS):
        begin = time.perf_counter()
        new.write_bytes(content)
        new.replace(copy)
        taken.append(time.perf_counter() - begin)
    copy.unlink()
    return percentile(taken, 50)


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
