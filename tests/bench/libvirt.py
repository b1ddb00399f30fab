"""libvirt as a contestant: libvirtd as a plain process, and what virsh defines."""

from __future__ import annotations

import contextlib
import functools
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import tiny
from tests.bench.timing import BenchError, whole_process
from tests.libvirtd import PREPARE, domain

BRIDGE = "virbr9"
STATUS = Path(f"/var/lib/libvirt/dnsmasq/{BRIDGE}.status")
"""The leases of the network, which virsh and libvirt's NSS modules read."""
ADDRESS = "10.72.0.2"
"""Of the domain."""
_MAC = "52:54:00:77:00:02"
_SOCKET = "/run/libvirt/libvirt-sock"
_NETWORK = f"""
<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>
  <name>{{name}}</name><forward mode='nat'/><bridge name='{BRIDGE}' stp='off' delay='0'/>
  <ip address='10.72.0.1' netmask='255.255.255.0'>
    <dhcp><range start='10.72.0.10' end='10.72.0.250'/>
      <host mac='{_MAC}' ip='{ADDRESS}'/></dhcp></ip>
  <dnsmasq:options><dnsmasq:option value='no-ping'/></dnsmasq:options></network>
"""


def virsh(*words: str) -> list[str]:
    """The command line."""
    return ["virsh", "-q", "-c", "qemu:///system", *words]


@contextlib.contextmanager
def daemon() -> Iterator[None]:
    """libvirtd, from when it listens. BenchError when it does not within 30 s."""
    _prepare()
    log = Path("/run/bench/libvirtd.log")
    Path(_SOCKET).unlink(missing_ok=True)
    with log.open("wb") as output:
        program = subprocess.Popen(["libvirtd"], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 30
        while not _listens():
            if program.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"libvirtd does not answer: {log.read_text().strip()}")
            time.sleep(0.001)
        yield
    finally:
        program.terminate()
        program.wait()


def network_file(folder: Path, name: str) -> str:
    """The path of a file that describes a NAT network."""
    return _written(folder / f"{name}.network.xml", _NETWORK.format(name=name))


def domain_file(folder: Path, name: str, network: str) -> str:
    """The path of a file that describes a domain."""
    text = domain(
        tiny.kernel(),
        tiny.initrd(),
        name=name,
        network=network,
        mac=_MAC,
        memory=tiny.MEMORY,
        append=tiny.APPEND,
    )
    return _written(folder / f"{name}.domain.xml", text)


@contextlib.contextmanager
def network(folder: Path, name: str) -> Iterator[None]:
    """A network that runs. After a failure it stays: all of it ends with the world."""
    whole_process(virsh("net-define", network_file(folder, name)))
    whole_process(virsh("net-start", name))
    yield
    whole_process(virsh("net-destroy", name))
    whole_process(virsh("net-undefine", name))


@functools.cache
def _prepare() -> None:
    subprocess.run(["sh", "-c", PREPARE], stdout=subprocess.DEVNULL, check=True)


def _listens() -> bool:
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.connect(_SOCKET)
        return True
    return False


def _written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)
