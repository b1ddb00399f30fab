"""The benchmark runs and shows every figure that was asked for; how large they are it judges.

A quick run leaves out the larger sizes of the same rows. Two sections take minutes all the same:
they run with --long.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.bench.__main__ import SECTIONS
from tests.system.world import CHECKOUT

_BY_HOSTS = {
    "bare open + fstat + preads + close": 3,
    "nss_pyvirt: hit": 6,
    "nss_pyvirt: hit, always the same": 3,
    "nss_pyvirt: miss": 6,
    "nss_pyvirt: miss, always the same": 3,
    "nss_pyvirt: reverse": 3,
    "nss_pyvirt: reverse, always the same": 3,
    "libnss_libvirt": 3,
    "libnss_libvirt_guest": 3,
    "nss_files": 3,
    "nss_myhostname: own name": 1,
    "nss_myhostname: miss": 1,
    "DNS, dnsmasq on loopback": 3,
    "getaddrinfo, hosts: pyvirt": 3,
    "getaddrinfo, hosts: libvirt": 3,
    "getaddrinfo, hosts: libvirt_guest": 3,
    "getaddrinfo, hosts: files": 3,
    "getaddrinfo, hosts: dns": 3,
    "random names at 1,000 hosts / at 10": 3,
    "libnss_libvirt / nss_pyvirt at 100": 3,
    "libnss_libvirt / nss_pyvirt at 1,000": 3,
}
_EXPECTED = {
    "lookup, p50": _BY_HOSTS,
    "beside /etc/hosts": {
        "nss_files": 3,
        "getaddrinfo, hosts: files": 3,
        "getaddrinfo, hosts: pyvirt": 6,
        "getaddrinfo, hosts: files pyvirt": 6,
    },
    "lookups a second": {
        "bare open + fstat + preads + close": 4,
        "nss_pyvirt: hit": 7,
        "libnss_libvirt": 4,
    },
    "a whole process": {
        "getent ahosts NAME, hosts: pyvirt": 3,
        "getent ahosts NAME, hosts: libvirt": 3,
        "getent ahosts NAME, hosts: files": 3,
    },
    "system calls": {
        "nss_pyvirt: hit": 4,
        "nss_pyvirt: miss": 4,
        "nss_pyvirt: reverse": 4,
        "libnss_libvirt": 4,
    },
    "the service, at 1,000 leases": {
        "lease write -> getent finds it, p50": 3,
        "service, memory at 1,000 leases": 3,
        "service, wake-ups in 0.5 s of rest": 3,
        "service, CPU time in 0.5 s of rest": 3,
    },
    "the service, at many leases": {
        "lease write -> name found, p50": 1,
        "write + rename of the table alone, p50": 1,
        "p50 at 1,000 leases": 3,
        "p99 at 1,000 leases": 3,
        "start -> first table": 4,
        "service, memory": 4,
    },
    "the service's socket, at 1,000 leases": {
        "event -> 100 watchers, p99": 3,
        "lease write -> Wait returns, p50": 3,
        "1,000 clients ask: lease write -> name found, p99": 3,
        "calls answered a second meanwhile": 3,
    },
    "1,000 changes a second": {
        "a change's lag, p99": 3,
        "a change's lag, the longest": 3,
        "changes lost": 3,
        "service, memory afterwards": 3,
    },
    "DHCPACK on the wire -> name found": {
        f"{pair}, {share}": 1
        for pair in (
            "pyvirt's dnsmasq, nss_pyvirt",
            "libvirt's dnsmasq, nss_pyvirt",
            "libvirt's dnsmasq, libnss_libvirt",
        )
        for share in ("p50", "p99")
    },
    "names beyond this process": {
        f"{primary} as primary: update -> {secondary} answers, p50 / p99": 1
        for primary in ("BIND", "Knot")
        for secondary in ("BIND", "Knot")
    }
    | {
        row.format(label): 3
        for label in ("BIND", "Knot")
        for row in (
            "{} starts with nothing -> 3 x 400 names answer",
            "lease write -> {}, p50",
            "lease write -> {}, p99",
            "link back after 2 to 10 s -> {} answers, longest",
        )
    }
    | {
        "Knot behind a hub starts with nothing -> 3 x 400 names answer": 3,
        "lease write -> Knot behind a hub, p50": 1,
        "lease write -> Knot behind a hub, p99": 1,
        "lease write -> another host's NSS, p50": 1,
        "lease write -> another host's NSS, p99": 3,
        "memory of leasewatch dns that pulls all peers, 1,000 names in the site": 1,
        "memory of leasewatch dns that pulls none, 1,000 names in the site": 1,
    }
    | {
        "host dead, SOA expire 10 s: BIND drops its names": 3,
        "host dead, SOA expire 10 s: Knot drops its names": 3,
        "host dead, SOA expire 10 s: NSD drops its names": 3,
        "host dead, SOA expire 10 s: PowerDNS drops its names": 1,
    }
    | {
        "hook: a known name, p50": 1,
        "hook: a known name, p99": 3,
        "hook: an unknown name, p50": 1,
        "hook: an unknown name, p99": 3,
        "hook: a bare echo service, p50 / p99": 1,
    }
    | {
        f"{server}: answers a second of one core, {kind}": cells
        for server, cells in (("leasewatch dns", 3), ("dnsmasq", 1), ("Knot", 1))
        for kind in ("known names", "unknown names")
    }
    | {"dnspython's zone of 1,200 names: a change": 1}
    | {
        row: 1
        for engine in ("BIND", "Knot")
        for row in (
            f"export: 400 names to {engine} at a start",
            f"export: change -> {engine} answers, p50 / p99",
            f"export: a bare UPDATE to {engine}, p50 / p99",
        )
    }
    | {
        f"zone of {size} names: {what}": cells
        for size in ("1,200", "6,000")
        for what, cells in {
            "memory": 1,
            "a change, stored, p50 / p99": 1,
            "a change, stored, median": 3,
            "AXFR, all records": 1,
            "IXFR of all these changes, all records": 1,
        }.items()
    },
    "a whole command": {
        "pyvirt network create": 4,
        "pyvirt network start": 5,
        "pyvirt network stop": 5,
        "pyvirt domain start": 5,
        "pyvirt domain stop": 5,
        "pyvirt network list": 4,
        "pyvirt domain list": 4,
        "pyvirt domain list, 100 domains": 3,
        "leasewatch list, 1 lease": 5,
        "leasewatch list, 1,000 leases": 5,
        "leasewatch ip, 1,000 leases": 4,
        "service: start on an empty host": 4,
        "domain start -> its name is found (TCG)": 3,
        "its name is found -> ssh (TCG, 128 MiB)": 5,
    },
    "2 domains at once": {
        "start": 3,
        "stop by force": 2,
        "pyvirt up, with nothing to do": 1,
    },
}
"""How each table's title begins -> its rows -> how many cells of a row are filled: a figure for
each column and, where something was asked, the measured, the asked and the verdict.
"""


_LONG = {"names beyond this process": "dns", "a whole command": "commands"}
"""What takes minutes, also if quick: the table's title and its section."""


@pytest.mark.usefixtures("_namespaces")
def test_a_quick_run_prints_every_row_with_its_figures() -> None:
    quick = [name for name in SECTIONS if name not in _LONG.values()]
    _check(quick, [title for title in _EXPECTED if title not in _LONG])


@pytest.mark.long
@pytest.mark.usefixtures("_namespaces")
@pytest.mark.parametrize("title", _LONG)
def test_a_long_section_prints_every_row_with_its_figures(title: str) -> None:
    _check([_LONG[title]], [title])


def _check(sections: Sequence[str], titles: Sequence[str]) -> None:
    """Measure some sections, of which each of the titles begins a table."""
    only = [word for name in sections for word in ("--only", name)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--quick", "--markdown", *only],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for title in titles:
        (table,) = [part for part in done.stdout.split("\n\n") if part.startswith(f"| {title}")]
        rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
        filled = {row[1]: sum(bool(cell) for cell in row[2:]) for row in rows}
        expected = _EXPECTED[title]
        assert {row: filled.get(row) for row in expected} == expected
