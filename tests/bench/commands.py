"""Whole commands beside libvirt's and the bare machine's, each the median of its turns.

libvirt is virsh, and its NSS modules; the bare machine is ip, nft, dnsmasq, QEMU and cat in a shell
script, or `python -c pass`.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.bench import bare, libvirt, logins, population, pyvirt, serving
from tests.bench.asking import Module
from tests.bench.counts import Counts
from tests.bench.logins import Boot
from tests.bench.table import Row, Table, at_most, duration
from tests.bench.timing import whole_process
from tests.bench.turns import Step, Times, Who

TITLE = "a whole command, median"
COLUMNS: dict[int, Who] = {0: "libvirt", 1: "bare"}
HEADINGS = {0: "libvirt", 1: "bare machine"}


class Asked(NamedTuple):
    """At most `factor` times what `of` takes."""

    factor: float
    of: Who | None = None
    """None: a millisecond."""


_NAMED = "domain start -> its name is found (TCG)"
_LOGIN = "its name is found -> ssh (TCG, 128 MiB)"
_HUNDRED = "pyvirt domain list, 100 domains"
_LAUNCH = "pyvirt launch -> ssh (TCG, 128 MiB)"
ROWS = {
    "pyvirt network create": Asked(60),
    "pyvirt network start": Asked(120),
    "pyvirt network stop": Asked(120),
    "pyvirt domain start": Asked(170),
    "pyvirt domain stop": Asked(120),
    "pyvirt network list": Asked(40),
    "pyvirt domain list": Asked(40),
    _HUNDRED: Asked(80),
    "leasewatch list, 1 lease": Asked(1, "libvirt"),
    "leasewatch list, 1,000 leases": Asked(1, "libvirt"),
    "leasewatch ip, 1,000 leases": Asked(15),
    "service: start on an empty host": Asked(200),
    _NAMED: None,
    _LOGIN: Asked(1.15, "bare"),
    _LAUNCH: Asked(1.15, "bare"),
}
"""What each row asks for."""

_NAME = "bench"
_LISTS: dict[Who, list[Step]] = {
    "ours": [Step(what, what.split()) for what in ("pyvirt network list", "pyvirt domain list")],
    "libvirt": [
        Step("pyvirt network list", libvirt.virsh("net-list", "--all")),
        Step("pyvirt domain list", libvirt.virsh("list", "--all")),
    ],
}
_NO_LIBVIRT = "[sources]\nlibvirt = false\n"


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the files that describe networks and domains."""
    times = Times()
    for _ in range(max(1, counts.processes // 3)):
        _time_start(times, "ours", serving.service())
        _time_start(times, "libvirt", libvirt.daemon())
    with libvirt.daemon():
        with serving.service():
            times.take(counts.processes, _networks(folder))
            with _three_networks(folder):
                _measure_domains(folder, times, counts)
        with libvirt.network(folder, _NAME):
            for leases in (1, 1_000):
                _measure_questions(folder, times, counts, leases)
    return Table(
        TITLE, [_row(what, asked, times) for what, asked in ROWS.items()], HEADINGS, "ours"
    )


def _time_start(times: Times, who: Who, program: contextlib.AbstractContextManager[object]) -> None:
    begin = time.perf_counter()
    with program:
        times.add("service: start on an empty host", who, time.perf_counter() - begin)


def _networks(folder: Path) -> dict[Who, list[Step]]:
    """Create, start, stop; what is not measured is between turns."""
    ours = ["pyvirt", "network"]
    create, start, stop = (f"pyvirt network {what}" for what in ("create", "start", "stop"))
    return {
        "ours": [
            Step(create, [*ours, "create", _NAME, "--subnet", "auto"]),
            Step(start, [*ours, "start", _NAME]),
            Step(stop, [*ours, "stop", _NAME]),
            Step("", [*ours, "delete", _NAME]),
        ],
        "libvirt": [
            Step(create, libvirt.virsh("net-define", libvirt.network_file(folder, _NAME))),
            Step(start, libvirt.virsh("net-start", _NAME)),
            Step(stop, libvirt.virsh("net-destroy", _NAME)),
            Step("", libvirt.virsh("net-undefine", _NAME)),
        ],
        "bare": [Step(start, bare.network_start()), Step(stop, bare.network_stop())],
    }


@contextlib.contextmanager
def _three_networks(folder: Path) -> Iterator[None]:
    """One of each contestant."""
    with pyvirt.network(_NAME), libvirt.network(folder, _NAME):
        whole_process(bare.network_start())
        yield
        whole_process(bare.network_stop())


def _measure_domains(folder: Path, times: Times, counts: Counts) -> None:
    """Each contestant has one domain: first the commands alone, then whole boots."""
    described = libvirt.domain_file(folder, "vm1", _NAME)
    guests: dict[Who, Boot] = {
        "ours": Boot(
            ["pyvirt", "domain", "start", "web1"],
            ["pyvirt", "domain", "stop", "--force", "web1"],
            functools.partial(Module("pyvirt").finds, "web1"),
            ["web1"],
        ),
        "libvirt": Boot(
            libvirt.virsh("start", "vm1"),
            libvirt.virsh("destroy", "vm1"),
            functools.partial(Module("libvirt_guest").finds, "vm1"),
            ["-o", f"HostName={libvirt.ADDRESS}", "vm1"],
            libvirt.STATUS,
        ),
        "bare": Boot(
            bare.domain_start(), bare.domain_stop(), bare.has_lease, [bare.ADDRESS], bare.LEASES
        ),
    }
    steps = {
        who: [Step("pyvirt domain start", guest.start), Step("pyvirt domain stop", guest.stop)]
        for who, guest in guests.items()
    }
    with pyvirt.domain("web1", _NAME):
        whole_process(libvirt.virsh("define", described))
        times.take(counts.processes, _LISTS)
        with pyvirt.copies("web1", 99):
            times.take(counts.processes, {"ours": [Step(_HUNDRED, ["pyvirt", "domain", "list"])]})
        times.take(counts.processes, steps)
        for _ in range(max(1, counts.processes // 3)):
            for who, guest in guests.items():
                named, login = logins.boot(guest)
                times.add(_NAMED, who, named)
                times.add(_LOGIN, who, login)
                if who != "ours":
                    times.add(_LAUNCH, who, named + login)
            times.add(_LAUNCH, "ours", pyvirt.launch("bench-launch", _NAME))
        whole_process(libvirt.virsh("undefine", "vm1"))


def _measure_questions(folder: Path, times: Times, counts: Counts, leases: int) -> None:
    """Commands that only read; libvirt's network runs."""
    guests = population.hosts(leases)
    lease_file = folder / "questions.leases"
    lease_file.write_text(population.lease_file(guests))
    libvirt.STATUS.write_text(population.libvirt_status(guests))
    what = f"leasewatch list, {leases:,} lease{'s' * (leases > 1)}"
    steps: dict[Who, list[Step]] = {
        "ours": [Step(what, ["leasewatch", "list"])],
        "libvirt": [Step(what, libvirt.virsh("net-dhcp-leases", _NAME))],
        "bare": [Step(what, ["cat", str(lease_file)])],
    }
    if leases > 1:
        ip = f"leasewatch ip, {leases:,} leases"
        steps["ours"].append(Step(ip, ["leasewatch", "ip", guests[0].name]))
        steps["bare"].append(Step(ip, ["python", "-c", "pass"]))
    with serving.service(lease_file, _NO_LIBVIRT):
        times.take(counts.processes, steps)


def _row(what: str, asked: Asked | None, times: Times) -> Row:
    ours = times.median(what, "ours") or 0.0
    others = {column: times.median(what, who) for column, who in COLUMNS.items()}
    cells = {column: duration(taken) for column, taken in others.items() if taken}
    if asked is None:
        return Row(what, cells, duration(ours))
    limit = asked.factor * ((times.median(what, asked.of) or 0.0) * 1e3 if asked.of else 1)
    return at_most(what, ours * 1e3, round(limit, 1), "ms", cells=cells)
