"""System calls of one lookup, counted by strace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.bench import states
from tests.bench.contestants import (
    DNS,
    FILES,
    LIBVIRT,
    LIBVIRT_GUEST,
    PYVIRT,
    Kind,
    contestant,
    peer_sizes,
    sizes,
    whole,
)
from tests.bench.counts import Counts
from tests.bench.harness import build, system_calls
from tests.bench.table import HOSTS, Row, Table

KINDS = (
    Kind("nss_pyvirt: hit", PYVIRT),
    Kind("nss_pyvirt: miss", PYVIRT, keys="unknown names", hit=False),
    Kind("nss_pyvirt: reverse", PYVIRT, "addr", keys="addresses"),
    Kind("libnss_libvirt", LIBVIRT),
    Kind("libnss_libvirt_guest", LIBVIRT_GUEST),
    Kind("nss_files", FILES),
    Kind("DNS, dnsmasq on loopback", DNS),
    whole("pyvirt", PYVIRT),
    whole("files", FILES),
)


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the compiled program."""
    program = build("nssbench", folder)
    with states.put_back(), states.dns_servers(peer_sizes(counts)):
        rows = [_row(program, kind, counts) for kind in KINDS]
    return Table("system calls of one lookup (at 10 hosts)", rows, HOSTS)


def _row(program: Path, kind: Kind, counts: Counts) -> Row:
    counted = {
        hosts: system_calls(program, contestant(kind.what, kind, hosts, turn_us=0))
        for hosts in sizes(kind.module, counts)
    }
    cells = {hosts: f"{sum(calls.values()):.4g}" for hosts, calls in counted.items()}
    return Row(kind.what, cells, measured=_by_name(counted[counts.hosts[0]]))


def _by_name(calls: Mapping[str, float]) -> str:
    names = [name if times == 1 else f"{times:.4g} {name}" for name, times in calls.items()]
    return ", ".join(names) if len(names) < 6 else ""
