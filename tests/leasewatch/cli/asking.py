"""A host whose lists and lookups are known, and how tests run `leasewatch` on it."""

from __future__ import annotations

import socket
import time

import pytest

from leasewatch.cli.leasewatch import main
from leasewatch.paths import Paths
from nss_pyvirt import snapshot

NOW = int(time.time())
LATER = NOW + 7 * 86400 + 1800
DOWN = "the leasewatch service is not running"
STARTS = {
    "  hint: sudo leasewatch serve",
    "  hint: sudo systemctl restart leasewatch.service",
}

LOOPBACK = socket.if_indextoname(1)


def v4(text: str, expires: int = LATER) -> snapshot.Address:
    return snapshot.Address(socket.AF_INET, socket.inet_pton(socket.AF_INET, text), expires)


def v6(text: str, ifindex: int = 0) -> snapshot.Address:
    packed = socket.inet_pton(socket.AF_INET6, text)
    return snapshot.Address(socket.AF_INET6, packed, LATER, ifindex)


HOSTS = [
    snapshot.Host(
        ("web1", "web1.lab.internal"), (v4("10.77.0.5"), v6("fd12::5"), v6("fe80::5", 1))
    ),
    snapshot.Host(("guest1", "guest1.lab.internal"), (v4("10.77.0.6"),)),
    snapshot.Host(("slow",), (), pending_until=LATER),
    snapshot.Host(("orphan",), (v4("10.88.0.9"),)),
]

LEASES = f"""\
{LATER} 52:54:00:00:00:05 10.77.0.5 web1 01:52:54:00:00:00:05
0 52:54:00:00:00:06 10.77.0.6 guest1 *
{LATER} 52:54:00:00:00:07 10.77.0.7 wpad *
{NOW - 5} 52:54:00:00:00:08 10.77.0.8 old *
{LATER} 52:54:00:00:00:09 10.77.0.9 * *
this line is broken
"""


def publish(paths: Paths, hosts: list[snapshot.Host]) -> None:
    paths.snapshot.write_bytes(snapshot.encode(hosts, generation=3, published=NOW))
    paths.snapshot.chmod(0o644)


def run(paths: Paths, capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(list(argv), paths)
    output = capsys.readouterr()
    return code, output.out, output.err
