"""What a zone costs: one change that is stored, memory, and its transfers, at two sizes.

The peer is dnspython's zone in memory, which stores nothing and keeps no journal.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.rdataset
import dns.zone

from leasewatch.dns import wire
from leasewatch.dns.state import State
from leasewatch.dns.zone import Head, Zone
from leasewatch.dns.zones import Zones
from tests.bench.counts import Counts
from tests.bench.table import Row, at_most, duration, figure
from tests.bench.timing import percentile

APEX = "hosta.vm.bench.test"
HEAD = Head(("ns1.bench.test",))


def measure(folder: Path, counts: Counts) -> Iterator[Row]:
    """Rows: a host's zone with the names of a site of 400 names a host, and five times as many."""
    size = counts.site_hosts * 400
    theirs = _times(_dnspython(size), counts.changes)
    yield Row(f"dnspython's zone of {size:,} names: a change", measured=_median(theirs))
    for names in (size, 5 * size):
        yield from _rows(folder / f"zone-{names}", names, theirs)


def _rows(folder: Path, size: int, theirs: list[float]) -> Iterator[Row]:
    what = f"zone of {size:,} names"
    zones = Zones(State(folder))
    zone = zones.add(APEX, HEAD)
    tracemalloc.start()
    zones.change(APEX, {_name(n): [_data(n)] for n in range(size)})
    gc.collect()
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    ours = _times(lambda n: zones.change(APEX, {_name(n): [_data(size + n)]}), len(theirs))
    yield Row(f"{what}: memory", measured=f"{figure(memory / 1e6)} MB")
    shown = f"{_median(ours)} / {duration(percentile(ours, 99))}"
    yield Row(f"{what}: a change, stored, p50 / p99", measured=shown)
    ratio = percentile(ours, 50) / percentile(theirs, 50)
    yield at_most(f"{what}: a change, stored, median", ratio, 1, "x dnspython's, not stored")
    for kind, took in _transfers(zone, zone.journal[0].old).items():
        yield Row(f"{what}: {kind}, all records", measured=duration(took))


def _transfers(zone: Zone, serial: int) -> dict[str, float]:
    """Seconds until the bytes of each kind of transfer are there."""
    found = {}
    for transfer in (zone.axfr, lambda: zone.ixfr(serial)):
        start = time.perf_counter()
        made = transfer()
        b"".join(made.records)
        found[made.kind] = time.perf_counter() - start
    return {"AXFR": found["whole"], "IXFR of all these changes": found["steps"]}


def _dnspython(size: int) -> Callable[[int], None]:
    """A change of dnspython's zone of that many names."""
    zone = dns.zone.Zone(APEX + ".")
    with zone.writer(replacement=True) as made:
        made.add("@", dns.rdataset.from_text("IN", "SOA", 5, "ns1 host 1 60 30 600 5"))
        made.add("@", dns.rdataset.from_text("IN", "NS", 5, "ns1"))
        for n in range(size):
            made.add(f"vm{n}.lab", dns.rdataset.from_text("IN", "A", 5, _address(n)))

    def change(n: int) -> None:
        with zone.writer() as step:
            step.replace(f"vm{n}.lab", dns.rdataset.from_text("IN", "A", 5, _address(size + n)))
            step.update_serial()

    return change


def _times(change: Callable[[int], None], changes: int) -> list[float]:
    found = []
    for n in range(changes):
        start = time.perf_counter()
        change(n)
        found.append(time.perf_counter() - start)
    return found


def _median(times: list[float]) -> str:
    return duration(percentile(times, 50))


def _name(n: int) -> wire.Name:
    return wire.relative(f"vm{n}.lab")


def _data(n: int) -> wire.Data:
    return wire.address((10 << 24 | n).to_bytes(4, "big"))


def _address(n: int) -> str:
    return f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
