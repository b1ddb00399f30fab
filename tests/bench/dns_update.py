"""The exporter (RFC 2136): a new name until BIND or Knot answers for it, beside a bare UPDATE.

The bare UPDATE adds the same records, signed, without prerequisites, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.name
import dns.tsig

from leasewatch.addresses import parse
from leasewatch.daemon.dns_settings import Place
from leasewatch.dns import update_messages
from leasewatch.dns.table import NameTable
from leasewatch.dns.update_plan import Change, Held, Owner
from leasewatch.dns.update_server import UpdateServer
from leasewatch.dns.updates import Exporter
from leasewatch.model import HostAddress, HostRecord
from tests.bench.counts import Counts
from tests.bench.table import Row, figure
from tests.bench.timing import percentile
from tests.name_servers import BIND, KNOT, NameServer, running

NAMES = 400
ZONE = "export.bench.test"
KEY = dns.tsig.Key(dns.name.from_text("update"), b"a key of a benchmark, 32 bytes..", "hmac-sha256")
_SECRET = "YSBrZXkgb2YgYSBiZW5jaG1hcmssIDMyIGJ5dGVzLi4="
_PAUSE = 0.05
_FILE = f"$ORIGIN {ZONE}.\n$TTL 5\n@ SOA ns1 host 1 60 30 600 5\n@ NS ns1\nns1 A 127.0.0.1\n"
_BIND = f"""
key "update" {{ algorithm hmac-sha256; secret "{_SECRET}"; }};
zone "{ZONE}" {{
    type primary; file "{ZONE}.zone";
    allow-update {{ key update; }}; allow-transfer {{ key update; }};
}};
"""
_KNOT = f"""
key:
  - id: update
    algorithm: hmac-sha256
    secret: {_SECRET}
acl:
  - id: all
    key: update
    action: [transfer, update]
zone:
  - domain: {ZONE}
    acl: all
    storage: """


def measure(folder: Path, counts: Counts) -> Iterator[Row]:
    """Rows: all names at a start; one name; one name by a bare UPDATE."""
    for engine in (BIND, KNOT):
        work = folder / f"dns-update-{engine.name.lower()}"
        config = _BIND if engine is BIND else f"{_KNOT}{work}\n"
        with running(engine, work, config=config, files={f"{ZONE}.zone": _FILE}) as server:
            yield from asyncio.run(_rows(server, work, max(2, counts.changes // 2)))


async def _rows(server: NameServer, work: Path, changes: int) -> list[Row]:
    name = server.engine.name
    table = NameTable()
    names = {_add(table, f"vm{number}") for number in range(NAMES)}
    place = Place(server.address, server.port)
    owner = Owner("host", "1")
    exporter = Exporter(table, UpdateServer(place, ZONE, KEY), owner, work)
    begin = time.perf_counter()
    exporter.start()
    exporter.table_changed(names)
    while exporter.entry().names < NAMES:  # noqa: ASYNC110  the exporter tells nobody
        await asyncio.sleep(0.001)
    start = time.perf_counter() - begin

    async def export(label: str) -> None:
        exporter.table_changed({_add(table, label)})

    async def bare(label: str) -> None:
        change = Change(label, None, Held(owner, ("10.9.0.1",)))
        message = update_messages.update(ZONE, KEY, [change])
        message.prerequisite.clear()
        await dns.asyncquery.tcp(message, server.address, 20, server.port)

    exported, bared = [], []
    for number in range(changes):
        exported.append(await _lag(server, f"export{number}", export))
        bared.append(await _lag(server, f"bare{number}", bare))
    await exporter.stop()
    ratio = percentile(exported, 50) / percentile(bared, 50)
    return [
        Row(f"export: {NAMES} names to {name} at a start", measured=f"{figure(start * 1e3)} ms"),
        Row(
            f"export: change -> {name} answers, p50 / p99",
            measured=f"{_shares(exported)} ms ({ratio:.1f})",
        ),
        Row(f"export: a bare UPDATE to {name}, p50 / p99", measured=f"{_shares(bared)} ms"),
    ]


async def _lag(server: NameServer, label: str, change: Callable[[str], Awaitable[None]]) -> float:
    """Seconds until the server answers for a name that `change` adds."""
    query = dns.message.make_query(f"{label}.{ZONE}", "A")
    begin = time.perf_counter()
    await change(label)
    while not (await dns.asyncquery.udp(query, server.address, 20, server.port)).answer:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    lag = time.perf_counter() - begin
    await asyncio.sleep(_PAUSE)
    return lag


def _add(table: NameTable, name: str) -> str:
    address = HostAddress(address=parse("10.9.0.1"), expires=0, network="lab")
    table.set(name, (HostRecord((name,), (address,), "owner"),))
    return name


def _shares(seconds: list[float]) -> str:
    return " / ".join(figure(percentile(seconds, share) * 1e3) for share in (50, 99))
