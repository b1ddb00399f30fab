"""A DNS server on a free port of loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns.server import Server
from leasewatch.dns.table import NameTable
from tests.leasewatch.dns.naming import read, unused
from tests.name_servers import free_port

_SECONDS = 20


@contextmanager
def served(names: NameTable, address: str = "127.0.0.1") -> Iterator[int]:
    """Serve these names at that address while the block runs; yields the port."""
    port = free_port()
    shown = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    settings = DnsSettings(listen=[shown])
    ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        server = Server(names, lambda _: None, read, unused, unused, settings)
        server.table_changed(set(names.records))
        server.start()
        ready.set()
        await stop.wait()
        await server.stop()
        await asyncio.sleep(0)

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(_SECONDS)
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(_SECONDS)
