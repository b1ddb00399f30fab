"""Lookups at 10 to 100,000 hosts: ours and every peer, entry points and whole getaddrinfo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.bench import states
from tests.bench.contestants import (
    DNS,
    FILES,
    LIBVIRT,
    LIBVIRT_GUEST,
    MYHOSTNAME,
    PYVIRT,
    Kind,
    contestant,
    peer_sizes,
    sizes,
    whole,
)
from tests.bench.counts import Counts
from tests.bench.harness import build, compete
from tests.bench.table import HOSTS, Row, Table, at_least, at_most, duration, with_ratio

BARE = Kind("bare open + fstat + preads + close", PYVIRT, "bare")
HIT = Kind("nss_pyvirt: hit", PYVIRT)
MISS = Kind("nss_pyvirt: miss", PYVIRT, keys="unknown names", hit=False)
PEER = Kind("libnss_libvirt", LIBVIRT)
KINDS = (
    BARE,
    Kind("bare, with the preads of a miss", PYVIRT, "bare", keys="unknown names", hit=False),
    HIT,
    Kind("nss_pyvirt: hit, always the same", PYVIRT, keys="one name"),
    MISS,
    Kind("nss_pyvirt: miss, always the same", PYVIRT, keys="one unknown name", hit=False),
    Kind("nss_pyvirt: reverse", PYVIRT, "addr", keys="addresses"),
    Kind("nss_pyvirt: reverse, always the same", PYVIRT, "addr", keys="one address"),
    PEER,
    Kind("libnss_libvirt_guest", LIBVIRT_GUEST),
    Kind("nss_files", FILES),
    Kind("nss_myhostname: own name", MYHOSTNAME, keys="own name"),
    Kind("nss_myhostname: miss", MYHOSTNAME, hit=False),
    Kind("DNS, dnsmasq on loopback", DNS),
    whole("pyvirt", PYVIRT),
    whole("libvirt", LIBVIRT),
    whole("libvirt_guest", LIBVIRT_GUEST),
    whole("files", FILES),
    whole("dns", DNS),
)
Times = Mapping[tuple[Kind, int], float]
"""Seconds per lookup of each kind at each number of hosts."""


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the compiled program."""
    program = build("nssbench", folder)
    labels = {
        f"{kind.what}, {hosts}": (kind, hosts)
        for kind in KINDS
        for hosts in sizes(kind.module, counts)
    }
    with states.put_back(), states.dns_servers(peer_sizes(counts)):
        plan = [
            contestant(label, kind, hosts, counts.turn_us)
            for label, (kind, hosts) in labels.items()
        ]
        measured = compete(program, plan, counts.rounds)
    times = {labels[label]: time for label, time in measured.items()}
    return Table("lookup, p50 (x bare)", [*_rows(times, counts), *_asked(times, counts)], HOSTS)


def _rows(times: Times, counts: Counts) -> Iterator[Row]:
    limits = {HIT: 1.25, MISS: 1.15}
    for kind in KINDS:
        ratios = {
            hosts: times[kind, hosts] / times[BARE, hosts] for hosts in sizes(kind.module, counts)
        }
        cells = {hosts: with_ratio(duration(times[kind, hosts]), ratios[hosts]) for hosts in ratios}
        if kind in limits:
            worst = max(ratios.values())
            yield at_most(kind.what, worst, limits[kind], "x bare", cells=cells)
        elif len(cells) == 1:  # the number of hosts is nothing to it
            yield Row(kind.what, measured=cells[counts.hosts[0]])
        else:
            yield Row(kind.what, cells)


def _asked(times: Times, counts: Counts) -> Iterator[Row]:
    few, many = counts.hosts[0], counts.hosts[-1]
    ratio = times[HIT, many] / times[HIT, few]
    yield at_most(f"random names at {many:,} hosts / at {few}", ratio, 1.3, "x")
    for hosts, factor in ((100, 15), (1_000, 100), (10_000, 1_000)):
        if hosts not in counts.hosts:
            continue
        slower = times[PEER, hosts] / times[HIT, hosts]
        yield at_least(f"libnss_libvirt / nss_pyvirt at {hosts:,}", slower, factor, "x")
