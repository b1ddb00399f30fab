"""Where a lookup of waiter.c finds its table and, at times, a service's socket."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Host

FAR = 4_000_000_000
WAIT = 300
"""Milliseconds that a table allows by default."""
WEB1 = Host(("web1", "web1.lab.internal"), (), FAR)


class Result(NamedTuple):
    """What waiter.c prints."""

    said: str
    milliseconds: int
    descriptors: str


class Place:
    """A folder with a table, at first of WEB1 alone, and the path of a socket."""

    def __init__(self, folder: Path) -> None:
        self.table = folder / "hosts.v1"
        self.service = folder / "pending.sock"
        self.publish(WEB1)

    def publish(self, *hosts: Host, wait: int = WAIT) -> None:
        new = self.table.with_name(".new")
        new.write_bytes(snapshot.encode(hosts, generation=1, published=1, pending_wait=wait))
        new.chmod(0o644)
        new.rename(self.table)

    def run(self, program: Path, *argv: str, fault: str = "") -> str:
        paths = {"PYVIRT_SNAPSHOT": str(self.table), "PYVIRT_SERVICE": str(self.service)}
        done = subprocess.run(
            [program, *argv],
            env={**os.environ, **paths, "FAULT": fault},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def look_up(self, program: Path, how: str = "plain", fault: str = "") -> Result:
        lines = self.run(program, how, "web1", fault=fault).splitlines()
        said, milliseconds, descriptors = lines[-3:]  # faults.c may have spoken before
        return Result(said.strip(), int(milliseconds), descriptors)
