"""`getent ahosts NAME` as a whole process: exec, the C library's start, one lookup, exit."""

from __future__ import annotations

import collections
from pathlib import Path

from tests.bench import population, states
from tests.bench.contestants import (
    DNS,
    FILES,
    LIBVIRT,
    LIBVIRT_GUEST,
    PYVIRT,
    Kind,
    files,
    peer_sizes,
    sizes,
)
from tests.bench.counts import Counts
from tests.bench.table import HOSTS, Row, Table, duration
from tests.bench.timing import quietest, whole_process

KINDS = tuple(
    Kind(f"getent ahosts NAME, hosts: {module.prefix}", module, services=module.prefix)
    for module in (PYVIRT, LIBVIRT, LIBVIRT_GUEST, FILES, DNS)
)


def measure(folder: Path, counts: Counts) -> Table:
    """The table: contestants take turns, one process each."""
    times: dict[tuple[Kind, int], list[float]] = collections.defaultdict(list)
    with states.put_back(), states.dns_servers(peer_sizes(counts)):
        for turn in range(counts.rounds):
            for kind in KINDS:
                for hosts in sizes(kind.module, counts):
                    states.put(files(kind, hosts))
                    name = population.hosts(hosts)[turn % hosts].name
                    times[kind, hosts].append(whole_process(["getent", "ahosts", name]))
    rows = [
        Row(
            kind.what,
            {hosts: duration(quietest(times[kind, hosts])) for hosts in sizes(kind.module, counts)},
        )
        for kind in KINDS
    ]
    return Table("a whole process", rows, HOSTS)
