"""A lease file that rewriter.py writes in a world, and the tables that follow it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

from leasewatch.files.reading import Signature, signature
from nss_pyvirt import snapshot
from tests.system import rewriter
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
