"""`python -m tests.bench.dns_serving PORT NAMES`: our DNS server, with a table of its own."""

from __future__ import annotations

import asyncio
import sys

import dns.message

from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns.asking import Asker
from leasewatch.dns.server import Server
from leasewatch.dns.table import NameTable, Network
from leasewatch.model import HostAddress, HostRecord
from tests.bench import population


def table(names: int) -> NameTable:
    """Names of one network."""
    made = NameTable()
    made.networks = {"lab": Network("lab", "internal", ("10.0.0.0/8",))}
    for host in population.hosts(names):
        at = HostAddress(address=bytes(map(int, host.address.split("."))), expires=0, network="lab")
        made.set(host.name, (HostRecord((host.name, f"{host.name}.lab.internal"), (at,), "owner"),))
    return made


async def _serve(port: int, names: int) -> None:
    served = table(names)
    settings = DnsSettings(listen=[f"127.0.0.1:{port}"])
    server = Server(served, lambda _: None, _read, _nothing, _nothing, settings)
    server.table_changed(set(served.records))
    server.start()
    await asyncio.Event().wait()


def _read(data: bytes, _: Asker) -> dns.message.Message:
    return dns.message.from_wire(data)


def _nothing(*_: object) -> tuple[bytes, ...]:
    return ()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
