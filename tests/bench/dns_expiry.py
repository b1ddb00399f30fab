"""A host that is dead: when each name server drops its names, by the SOA's expire."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench.counts import Counts
from tests.bench.dns_asking import Askers, Place, asking
from tests.bench.table import Row, at_most, figure
from tests.name_servers import BIND, KNOT, NSD, POWERDNS, free_port
from tests.name_servers.primary import APEX, primary
from tests.name_servers.secondary import secondary

_SERVERS = {
    "BIND": (BIND, ()),
    "BIND without min-refresh-time, min-retry-time": (
        BIND,
        ("min-refresh-time 5;", "min-retry-time 5;"),
    ),
    "Knot": (KNOT, ()),
    "NSD": (NSD, ()),
    "PowerDNS": (POWERDNS, ()),
}
_REFRESH, _RETRY = 5, 5
_NAME = f"first.lab.{APEX}"


def measure(folder: Path, counts: Counts) -> Iterator[Row]:
    """Rows: seconds from the host's end until its names are gone."""
    work, expire = folder / "dns-expiry", counts.expire_s
    work.mkdir()
    source = f"127.0.0.1:{free_port()}"
    ports = {label: free_port() for label in _SERVERS}
    told = [f"127.0.0.1:{port}" for port in ports.values()]
    with ExitStack() as stack:
        timers = _REFRESH, _RETRY, expire
        host = stack.enter_context(primary(work / "primary", source, told, timers=timers))
        for number, (label, (engine, without)) in enumerate(_SERVERS.items()):
            home = work / str(number)
            home.mkdir()
            stack.enter_context(
                secondary(engine, home / "server", source, port=ports[label], without=without)
            )
        places = {label: Place("127.0.0.1", port) for label, port in ports.items()}
        askers = stack.enter_context(asking(places))
        askers.until_answered(_NAME, time.perf_counter())
        host.kill()
        gone = _gone(askers, 2 * expire)
    for label in _SERVERS:
        what = f"host dead, SOA expire {expire} s: {label} drops its names"
        if label in gone:
            yield at_most(what, gone[label], expire + 2, "s")
        else:
            yield Row(what, measured=f"not within {figure(2 * expire)} s")


def _gone(askers: Askers, seconds: float) -> dict[str, float]:
    """Seconds until each server had no answer any more; those that still have one are not in it."""
    begin = time.perf_counter()
    gone: dict[str, float] = {}
    while len(gone) < len(_SERVERS) and time.perf_counter() - begin < seconds:
        for label in askers.without_answer(_NAME):
            gone.setdefault(label, time.perf_counter() - begin)
        time.sleep(0.1)
    return gone
