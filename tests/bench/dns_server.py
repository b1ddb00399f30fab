"""Answers over UDP: our DNS server beside dnsmasq and Knot, on one core, and one that asks.

The servers take turns. A figure is the answers for each second of the server's processor time, with
the kernel's part. So what else runs on the machine changes little, and nobody waits for dnsload.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench import population
from tests.bench.counts import Counts
from tests.bench.dns_asking import Place, asking
from tests.bench.harness import build
from tests.bench.table import Row, at_least, figure
from tests.bench.timing import BenchError
from tests.name_servers import KNOT, free_port, running

NAMES = 10_000
ASKED = 20_000
_WINDOW = 64
"""Questions under way at once."""
_ZONE = "lab.internal"
_OURS = "leasewatch dns"


class _Server(NamedTuple):
    place: Place
    pid: int


def measure(folder: Path, counts: Counts) -> Iterator[Row]:
    """Rows: known and unknown names."""
    work = folder / "dns-server"
    work.mkdir(exist_ok=True)
    program = build("dnsload", work)
    known = [host.name for host in population.hosts(NAMES)]
    kinds = {"known names": known, "unknown names": population.unknown_names(NAMES)}
    seconds = max(0.1, counts.idle_s / 60)
    with _servers(work) as servers:
        for kind, names in kinds.items():
            questions = "".join(f"{name}.{_ZONE} 1\n" for name in names)
            best = dict.fromkeys(servers, 0.0)
            for _ in range(min(5, counts.processes)):
                for label, server in servers.items():
                    rate = _rate(program, server, questions, seconds)
                    best[label] = max(best[label], rate)
            yield from _rows(kind, best)


def _rows(kind: str, best: dict[str, float]) -> Iterator[Row]:
    ours = best.pop(_OURS)
    what = f"answers a second of one core, {kind}"
    yield at_least(f"{_OURS}: {what}", ours, ASKED, "")
    for label, theirs in best.items():
        yield Row(f"{label}: {what}", measured=f"{figure(theirs)} (ours x {theirs / ours:.1f})")


def _rate(program: Path, server: _Server, questions: str, seconds: float) -> float:
    """Answers for each second of the server's processor time."""
    place = server.place
    argv = [str(program), place.address, str(place.port), str(seconds), str(_WINDOW)]
    before = _used(server.pid)
    done = subprocess.run(argv, input=questions, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"dnsload: {done.stderr.strip()}")
    return int(done.stdout.split()[0]) / max(0.01, _used(server.pid) - before)


def _used(pid: int) -> float:
    """Seconds of processor time so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _servers(work: Path) -> Iterator[dict[str, _Server]]:
    """The contestants, by label, with the same names."""
    places = {label: Place("127.0.0.1", free_port()) for label in (_OURS, "dnsmasq", "Knot")}
    port = places["Knot"].port
    files = {f"{_ZONE}.zone": _zone_file()}
    config = f"zone:\n  - domain: {_ZONE}\n    storage: {work}/knot\n"
    with ExitStack() as stack:
        ours = stack.enter_context(_started(_our_command(places[_OURS].port)))
        dnsmasq = stack.enter_context(_started(_dnsmasq_command(work, places["dnsmasq"].port)))
        knot = running(KNOT, work / "knot", port=port, config=config, files=files)
        pids = {_OURS: ours, "dnsmasq": dnsmasq, "Knot": stack.enter_context(knot).pid}
        askers = stack.enter_context(asking(places))
        first = population.hosts(NAMES)[0].name
        askers.until_answered(f"{first}.{_ZONE}", time.perf_counter())
        yield {label: _Server(place, pids[label]) for label, place in places.items()}


def _our_command(port: int) -> list[str]:
    return [sys.executable, "-m", "tests.bench.dns_serving", str(port), str(NAMES)]


def _dnsmasq_command(work: Path, port: int) -> list[str]:
    hosts = work / "hosts"
    lines = (f"{host.address} {host.name}.{_ZONE}\n" for host in population.hosts(NAMES))
    hosts.write_text("".join(lines))
    return [
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root"),
        *("--pid-file", "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}"),
        *(f"--local=/{_ZONE}/", "--listen-address=127.0.0.1", "--bind-interfaces"),
        f"--port={port}",
    ]


def _zone_file() -> str:
    records = (f"{host.name} A {host.address}\n" for host in population.hosts(NAMES))
    head = f"$ORIGIN {_ZONE}.\n$TTL 5\n@ SOA ns1 host 1 60 30 600 5\n@ NS ns1\nns1 A 10.0.0.1\n"
    return head + "".join(records)


@contextmanager
def _started(argv: list[str]) -> Iterator[int]:
    """Run a program while the block runs; yields its pid."""
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
