"""From a DHCPACK on the wire to the name, with real servers: pyvirt's dnsmasq and libvirt's."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench import libvirt, pyvirt, serving
from tests.bench.asking import Module
from tests.bench.counts import Counts
from tests.bench.dhcp_client import DhcpClient, on_bridge
from tests.bench.table import Row, Table, duration
from tests.bench.timing import percentile

_NAME = "wire"


def measure(folder: Path, counts: Counts) -> Table:
    """The table; each lease is a new machine's."""
    ours, theirs = Module("pyvirt"), Module("libvirt")
    with (
        pyvirt.network(_NAME) as bridge,
        libvirt.daemon(),
        libvirt.network(folder, _NAME),
        serving.service(),
    ):
        with on_bridge(bridge) as client:
            own = _lags(client, counts.leases, {"p": ours})
        with on_bridge(libvirt.BRIDGE) as client:
            both = _lags(client, counts.leases, {"v": theirs, "o": ours})
    rows = [
        Row(f"{what}, {share}", measured=duration(percentile(lags, int(share[1:]))))
        for what, lags in (
            ("pyvirt's dnsmasq, nss_pyvirt", own["p"]),
            ("libvirt's dnsmasq, nss_pyvirt", both["o"]),
            ("libvirt's dnsmasq, libnss_libvirt", both["v"]),
        )
        for share in ("p50", "p99")
    ]
    return Table("DHCPACK on the wire -> name found", rows)


def _lags(client: DhcpClient, leases: int, modules: dict[str, Module]) -> dict[str, list[float]]:
    """Seconds from each ACK until the modules, in turn, find its name."""
    lags: dict[str, list[float]] = {label: [] for label in modules}
    for number in range(leases):
        for label, module in modules.items():
            name = f"{label}{number}"
            acknowledged = client.ask(name)
            module.until_found(name)
            lags[label].append(time.time() - acknowledged)
            time.sleep(0.02)
    return lags
