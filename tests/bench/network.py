"""`pyvirt network start` and `stop`, as whole commands."""

from __future__ import annotations

from pathlib import Path

from tests.bench.counts import Counts
from tests.bench.table import Row, Table, at_most, duration
from tests.bench.timing import percentile, whole_process

_NAME = "bench"


def measure(folder: Path, counts: Counts) -> Table:
    """The table: the median of some turns."""
    whole_process(["pyvirt", "network", "create", _NAME, "--subnet", "auto"])
    starts, stops = [], []
    for _ in range(max(2, counts.processes // 3)):
        starts.append(whole_process(["pyvirt", "network", "start", _NAME]))
        stops.append(whole_process(["pyvirt", "network", "stop", _NAME]))
    whole_process(["pyvirt", "network", "delete", _NAME])
    rows = [
        at_most("pyvirt network start", percentile(starts, 50), 1, "s"),
        Row("pyvirt network stop", measured=duration(percentile(stops, 50))),
    ]
    return Table("the manager", rows)
