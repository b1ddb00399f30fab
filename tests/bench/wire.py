"""From a DHCPACK on the wire to the name, with real servers: pyvirt's dnsmasq and libvirt's."""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import serving
from tests.bench.asking import Module
from tests.bench.counts import Counts
from tests.bench.dhcp_client import DhcpClient, on_bridge
from tests.bench.table import Row, Table, duration
from tests.bench.timing import BenchError, percentile, whole_process
from tests.libvirtd import PREPARE

_NAME = "wire"
_LIBVIRT_BRIDGE = "virbr9"
_LIBVIRT_NETWORK = f"""
<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>{_NAME}</name><forward mode='nat'/><bridge name='{_LIBVIRT_BRIDGE}' stp='off' delay='0'/>
  <ip address='10.72.0.1' netmask='255.255.255.0'>
    <dhcp><range start='10.72.0.10' end='10.72.0.250'/></dhcp></ip>
  <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options></network>
"""


def measure(folder: Path, counts: Counts) -> Table:
    """The table; each lease is a new machine's."""
    ours, theirs = Module("pyvirt"), Module("libvirt")
    with _pyvirt_network() as bridge, _libvirt_network(), serving.service():
        with on_bridge(bridge) as client:
            own = _lags(client, counts.leases, {"p": ours})
        with on_bridge(_LIBVIRT_BRIDGE) as client:
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


@contextlib.contextmanager
def _pyvirt_network() -> Iterator[str]:
    """Its bridge."""
    whole_process(["pyvirt", "network", "create", _NAME, "--subnet", "auto"])
    whole_process(["pyvirt", "network", "start", _NAME])
    try:
        state = json.loads(Path(f"/run/pyvirt/networks/{_NAME}.json").read_bytes())
        yield state["bridge"]
    finally:
        whole_process(["pyvirt", "network", "stop", _NAME])
        whole_process(["pyvirt", "network", "delete", _NAME])


@contextlib.contextmanager
def _libvirt_network() -> Iterator[None]:
    subprocess.run(["sh", "-c", PREPARE], stdout=subprocess.DEVNULL, check=True)
    log = Path("/run/bench/libvirtd.log")
    with log.open("wb") as output:
        daemon = subprocess.Popen(["libvirtd"], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 30
        while _virsh("version").returncode:
            if daemon.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"libvirtd does not answer: {log.read_text().strip()}")
            time.sleep(0.1)
        for words in (["net-define", "/dev/stdin"], ["net-start", _NAME]):
            done = _virsh(*words, text=_LIBVIRT_NETWORK)
            if done.returncode:
                raise BenchError(f"virsh {words[0]}: {done.stderr.strip()}")
        yield
        _virsh("net-destroy", _NAME)
    finally:
        daemon.terminate()
        daemon.wait()


def _virsh(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["virsh", "-q", "-c", "qemu:///system", *words],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
