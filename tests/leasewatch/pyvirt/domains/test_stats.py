"""What domains use: answers of QEMU, rates, perf events of a process."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from typing import Any

import pytest

from leasewatch.pyvirt.domains.perf_events import EVENTS, PerfCounters, is_unknown
from leasewatch.pyvirt.domains.stats import TOTALS, disks_of, per_second, used_of

_NONE = (1 << 64) - 1


def test_only_disks_of_the_guest_are_shown() -> None:
    stats = {"rd_bytes": 512, "wr_bytes": 0, "rd_operations": 1, "wr_operations": 0}
    disk = {"node-name": "disk0", "qdev": "/machine/peripheral-anon/device[2]", "stats": stats}
    below = {"node-name": "disk0-1", "stats": stats}
    shown = {"name": "disk0", "read": 512, "written": 0, "reads": 1, "writes": 0}
    assert disks_of([disk, below]) == [shown]


@pytest.mark.parametrize(
    ("stats", "used"),
    [
        ({"stat-total-memory": 1000, "stat-available-memory": 700}, 300),
        ({"stat-total-memory": _NONE, "stat-available-memory": _NONE}, None),
        ({"stat-total-memory": 1000, "stat-available-memory": _NONE}, None),
        ({}, None),
    ],
)
def test_a_guest_without_statistics_has_no_known_use_of_memory(
    stats: dict[str, int], used: int | None
) -> None:
    assert used_of({"stats": stats, "last-update": 0}) == used


def test_a_rate_is_of_totals_alone_and_unknown_where_a_total_is() -> None:
    before: dict[str, Any] = dict.fromkeys(TOTALS, 10) | {"read": None, "memory": 5}
    now = dict.fromkeys(TOTALS, 30) | {"memory": 7, "perf": {"page_faults": 8, "cpu_cycles": None}}
    rates = per_second(before | {"perf": {"page_faults": 4, "cpu_cycles": None}}, now, 2.0)
    assert (rates["sent"], rates["read"], rates["memory"]) == (10, None, 7)
    assert rates["perf"] == {"page_faults": 2, "cpu_cycles": None}


def test_perf_events_of_all_threads_of_a_process_are_counted() -> None:
    work = "import mmap, threading\nfor _ in range(2): threading.Thread(target=input).start()"
    fault = "while True: mmap.mmap(-1, 4096)[0] = 1"
    with subprocess.Popen(
        [sys.executable, "-c", f"{work}\nprint(flush=True)\n{fault}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as program:
        assert program.stdout
        program.stdout.readline()
        try:
            with closing(PerfCounters(program.pid)) as counters:
                if any(not is_unknown(error) for error in counters.refused.values()):
                    pytest.skip("this container may not count perf events")
                deadline = time.monotonic() + 60
                while not ((counted := counters.read())["page_faults"] and counted["task_clock"]):
                    assert time.monotonic() < deadline
                assert counted.keys() == EVENTS.keys()
        finally:
            program.kill()


def test_a_process_that_has_ended_has_no_perf_events() -> None:
    with subprocess.Popen(["true"]) as program:
        pass
    with closing(PerfCounters(program.pid)) as counters:
        assert set(counters.read().values()) == {0}
