"""Peers: BIND and Knot as the primary of 50 zones of 400 names, with BIND and Knot as secondaries.

A name is added by a DNS UPDATE; the primary sends NOTIFY, and both secondaries transfer. BIND has
`notify-delay 0` (default: 5 s); Knot 3.2 sends NOTIFY one second after a change.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import dns.query
import dns.tsig
import dns.tsigkeyring
import dns.update

from tests.bench.counts import Counts
from tests.bench.dns_asking import Askers, Place, asking
from tests.bench.table import Row, figure
from tests.bench.timing import percentile
from tests.name_servers import BIND, KNOT, Engine, NameServer, free_port, running

NAMES = 400
SECRET = "YSBrZXkgb2YgYSBiZW5jaG1hcms="
SECONDARIES = ("BIND", "Knot")
_PAUSES = (0.02, 0.06)
_BIND_KEY = f'key "xfr" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'
_KNOT_KEY = f"key:\n  - id: xfr\n    algorithm: hmac-sha256\n    secret: {SECRET}\n"


def measure(folder: Path, counts: Counts) -> Iterator[Row]:
    """Rows: from an update of each primary to the answers of its secondaries."""
    yield from _rows(BIND, folder / "dns-bind-primary", counts.site_hosts, counts.changes)
    yield from _rows(
        KNOT, folder / "dns-knot-primary", counts.site_hosts, max(2, counts.changes // 10)
    )


def _rows(engine: Engine, work: Path, hosts: int, changes: int) -> Iterator[Row]:
    ports = {label: free_port() for label in (*SECONDARIES, "primary")}
    text = "@ 5 SOA ns1.invalid. host.invalid. 1 60 30 600 5\n@ 5 NS ns1.invalid.\n"
    text = "$TTL 5\n" + text + "".join(f"vm{n} A 10.8.{n >> 8}.{n & 255}\n" for n in range(NAMES))
    source = ports["primary"]
    zones = [f"host{number}.vm.bench.test" for number in range(hosts)]
    primary = running(
        engine,
        work / "primary",
        port=source,
        config=_primary_bind(zones, ports) if engine is BIND else _primary_knot(work, zones, ports),
        files={f"{zone}.zone": text for zone in zones},
    )
    with (
        primary as server,
        running(BIND, work / "bind", port=ports["BIND"], config=_bind(zones, ports["primary"])),
        running(
            KNOT, work / "knot", port=ports["Knot"], config=_knot(work, zones, ports["primary"])
        ),
        asking({label: Place("127.0.0.1", ports[label]) for label in SECONDARIES}) as askers,
    ):
        for zone in zones:
            askers.until_answered(f"vm1.{zone}", time.perf_counter())
        lags = _lags(server, zones, askers, changes)
    for label in SECONDARIES:
        shares = {share: figure(percentile(lags[label], share) * 1e3) for share in (50, 99)}
        yield Row(
            f"{engine.name} as primary: update -> {label} answers, p50 / p99",
            measured=f"{shares[50]} / {shares[99]} ms",
        )


def _lags(
    primary: NameServer, zones: list[str], askers: Askers, changes: int
) -> dict[str, list[float]]:
    keyring = dns.tsigkeyring.from_text({"xfr": SECRET})
    lags: dict[str, list[float]] = {label: [] for label in SECONDARIES}
    for number in range(changes):
        zone = zones[number % len(zones)]
        update = dns.update.UpdateMessage(zone, keyring=keyring, keyalgorithm=dns.tsig.HMAC_SHA256)
        update.add(f"lag{number}", 5, "A", f"10.9.{number >> 8}.{number & 255}")
        begin = time.perf_counter()
        dns.query.udp(update, primary.address, 20, primary.port)
        for label, seconds in askers.until_answered(f"lag{number}.{zone}", begin).items():
            lags[label].append(seconds)
        time.sleep(random.uniform(*_PAUSES))
    return lags


def _primary_bind(names: list[str], ports: dict[str, int]) -> str:
    told = " ".join(f"127.0.0.1 port {ports[label]} key xfr;" for label in SECONDARIES)
    zones = "".join(
        f'zone "{name}" {{ type primary; file "{name}.zone"; notify explicit;'
        f" notify-delay 0; also-notify {{ {told} }}; allow-update {{ key xfr; }};"
        " allow-transfer { key xfr; }; };\n"
        for name in names
    )
    return _BIND_KEY + zones


def _primary_knot(work: Path, names: list[str], ports: dict[str, int]) -> str:
    remotes = "".join(
        f"  - id: {label}\n    address: 127.0.0.1@{ports[label]}\n    key: xfr\n"
        for label in SECONDARIES
    )
    zones = "".join(f"  - domain: {name}\n" for name in names)
    return f"""{_KNOT_KEY}
remote:
{remotes}
acl:
  - id: all
    key: xfr
    action: [transfer, update]
template:
  - id: default
    storage: {work}/primary
    zonefile-sync: -1
    acl: all
    notify: [{", ".join(SECONDARIES)}]
zone:
{zones}"""


def _bind(names: list[str], primary: int) -> str:
    zones = "".join(
        f'zone "{name}" {{ type secondary; file "{name}.db";'
        f" primaries {{ 127.0.0.1 port {primary} key xfr; }}; }};\n"
        for name in names
    )
    return _BIND_KEY + zones


def _knot(work: Path, names: list[str], primary: int) -> str:
    zones = "".join(f"  - domain: {name}\n" for name in names)
    return f"""{_KNOT_KEY}
remote:
  - id: primary
    address: 127.0.0.1@{primary}
    key: xfr
acl:
  - id: primary
    key: xfr
    action: notify
template:
  - id: default
    storage: {work}/knot
    master: primary
    acl: primary
zone:
{zones}"""
