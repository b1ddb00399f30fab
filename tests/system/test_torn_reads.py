"""Lease files that are read while they are written: nothing lost, nothing invented, soon right.

The versions of the file are rewriter.py's; observer.py holds every table against them.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leasewatch.files.reading import Signature, signature
from nss_pyvirt import snapshot
from tests.system import rewriter
from tests.system.observer import Observer
from tests.system.rewriter import Versions
from tests.system.world import CHECKOUT, World

FILE = "/var/lib/misc/dnsmasq.leases"
TABLE = "run/leasewatch/hosts.v1"


def write_first(world: World, versions: Versions) -> None:
    """Version 0, in a new file."""
    (world.root / FILE[1:]).write_bytes(b"".join(versions.lines(0)))


def start_writer(
    world: World, versions: Versions, way: str, pause: float = 0, least: int = 0
) -> subprocess.Popen[str]:
    """A program that writes version after version, `least` ones at least."""
    what = (FILE, versions.count, versions.start, versions.period, way, pause, least)
    return world.spawn(
        [sys.executable, rewriter.__file__, *map(str, what)],
        env={"PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
    )


def stop_writer(world: World, writer: subprocess.Popen[str]) -> int:
    """End it; returns the version that it wrote last."""
    world.signal(writer, signal.SIGTERM)
    said, _ = writer.communicate(timeout=60)
    assert writer.returncode == 0
    return int(said)


def said(table: Path) -> dict[str, tuple[str, int]]:
    """Address and end of each host of a table that has one address."""
    hosts = snapshot.read(table).hosts
    return {
        host.names[0]: (socket.inet_ntop(a.family, a.packed), a.expires)
        for host in hosts
        for a in host.addresses[:1]
        if len(host.addresses) == 1
    }


def await_version(world: World, versions: Versions, version: int, timeout: float = 60) -> None:
    """Wait until the table says what that version says, and nothing else."""
    wanted = versions.hosts(version)
    table = world.root / TABLE
    seen: Signature | None = None

    def is_there() -> bool:
        nonlocal seen
        if seen == (now := signature(table)):
            return False
        seen = now
        found = said(table)
        endless = {name for name, (_, end) in wanted.items() if not end} & found.keys()
        return found | {name: (found[name][0], 0) for name in endless} == wanted

    world.wait_for(f"version {version} to be published", is_there, timeout)


def rewrite(world: World, versions: Versions, way: str, seconds: float, tables: int = 1) -> None:
    """Observe the service beside a writer for so long, for so many tables, and at the end."""
    write_first(world, versions)
    world.serve()
    await_version(world, versions, 0)
    with Observer(world.root / TABLE, versions) as seen:
        writer = start_writer(world, versions, way)
        time.sleep(seconds)
        world.wait_for(f"{tables} tables", lambda: seen.generations >= tables)
        last = stop_writer(world, writer)
        await_version(world, versions, last)


@pytest.mark.parametrize("way", ["dnsmasq", "halting", "renamed"])
def test_a_tight_rewriter_of_5000_leases_loses_none_and_makes_none_up(
    world: World, way: str
) -> None:
    rewrite(world, Versions(5_000, int(time.time()) + 3600), way, 3, tables=6)


def test_a_tight_rewriter_of_100000_leases_loses_none_and_makes_none_up(world: World) -> None:
    rewrite(world, Versions(100_000, int(time.time()) + 3600), "dnsmasq", 4, tables=3)


@pytest.mark.long
@pytest.mark.parametrize("count", [5_000, 100_000])
@pytest.mark.parametrize("way", ["dnsmasq", "halting", "renamed"])
def test_an_hour_of_rewriting_in_a_minute_and_a_half(world: World, way: str, count: int) -> None:
    rewrite(world, Versions(count, int(time.time()) + 3600), way, 90)


def test_a_thousand_leases_that_change_within_a_second_are_all_right_soon_after(
    world: World,
) -> None:
    versions = Versions(1_000, int(time.time()) + 3600, period=20)
    write_first(world, versions)
    world.serve()
    await_version(world, versions, 0)
    with Observer(world.root / TABLE, versions) as seen:
        writer = start_writer(world, versions, "dnsmasq", pause=0.05, least=versions.period)
        world.wait_for("a second table", lambda: seen.generations > 1)
        last = stop_writer(world, writer)
        await_version(world, versions, last)
