"""The real `leasewatch serve`, as its unit runs it, and what it uses."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.bench.timing import BenchError

_CONFIG = Path("/etc/pyvirt/leasewatch.toml")
TABLE = Path("/run/leasewatch/hosts.v1")
_STATE = Path("/var/lib/leasewatch")
"""What it remembers of former runs: with another part's leases it would not be the same service."""


@contextlib.contextmanager
def service(
    lease_file: Path | None = None,
    settings: str = "",
    sockets: Mapping[str, socket.socket] | None = None,
) -> Iterator[int]:
    """Its pid, once it has published; it watches `lease_file` beside pyvirt's networks.

    `settings`: further ones, as TOML. `sockets`: what systemd would pass, by name.

    BenchError when it does not publish within 60 s.
    """
    TABLE.unlink(missing_ok=True)
    for former in _STATE.iterdir():
        former.unlink()
    _CONFIG.parent.mkdir(exist_ok=True)
    source = f'[[source]]\npath = "{lease_file}"\nnetwork = "bench"\n'
    _CONFIG.write_text(settings + (source if lease_file else ""))
    sockets = sockets or {}
    powers = "-all,+dac_read_search"
    log = Path("/run/bench/leasewatch.log")
    with log.open("wb") as output:
        program = subprocess.Popen(
            [
                *("setpriv", "--reuid=leasewatch", "--regid=leasewatch", "--clear-groups"),
                *(f"--inh-caps={powers}", f"--ambient-caps={powers}", f"--bounding-set={powers}"),
                *("--no-new-privs", *_passing(sockets), "leasewatch", "serve"),
            ],
            pass_fds=[sock.fileno() for sock in sockets.values()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 60
        while not TABLE.exists():
            if program.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"leasewatch serve did not publish: {log.read_text().strip()}")
            time.sleep(0.001)
        yield program.pid
    finally:
        program.terminate()
        program.wait()


def _passing(sockets: Mapping[str, socket.socket]) -> list[str]:
    """A command in front of another that passes the sockets as sd_listen_fds(3) wants them."""
    if not sockets:
        return []
    moves = " ".join(f"{at}<&{sock.fileno()}" for at, sock in enumerate(sockets.values(), 3))
    script = f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} exec "$@" {moves}'
    return ["env", f"LISTEN_FDNAMES={':'.join(sockets)}", "bash", "-c", script, "bash"]


def resident_memory(pid: int) -> float:
    """MiB of a process in memory (VmRSS, proc(5))."""
    return _status(Path(f"/proc/{pid}/status"), "VmRSS") / 1024


class Rest(NamedTuple):
    """What a process did while nothing happened."""

    wake_ups: int
    """How often its threads went to sleep again."""
    cpu: float
    """Seconds of CPU time."""


def rest(pid: int, seconds: float) -> Rest:
    """Watch the process for so long."""
    wake_ups, cpu = _voluntary_switches(pid), cpu_time(pid)
    time.sleep(seconds)
    return Rest(_voluntary_switches(pid) - wake_ups, cpu_time(pid) - cpu)


def cpu_time(pid: int) -> float:
    """Seconds; the clock is that of clock_getcpuclockid(3), whose number Linux derives so."""
    return time.clock_gettime((~pid << 3) | 2)


def _voluntary_switches(pid: int) -> int:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(_status(thread / "status", "voluntary_ctxt_switches") for thread in threads)


def _status(file: Path, field: str) -> int:
    for line in file.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0])
    raise BenchError(f"{file} has no {field}")
