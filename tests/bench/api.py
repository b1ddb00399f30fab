"""The Varlink socket under load: events for 100 watchers, `Wait`, and 1,000 clients that ask."""

from __future__ import annotations

import json
import os
import resource
import selectors
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from leasewatch.api import interface
from leasewatch.paths import Paths
from tests.bench import population, serving
from tests.bench.counts import Counts
from tests.bench.harness import build
from tests.bench.leases import lag
from tests.bench.service import LEASES
from tests.bench.table import Row, Table, at_least, at_most, figure
from tests.bench.timing import BenchError, percentile

WATCHERS = 100
CLIENTS = 1_000
OF_USER = 100
"""Connections that each of the users has: fewer than the service allows by default."""
CALLS_A_SECOND = 10_000
_USER = 60_000
_TICK = 0.001
_FORK = get_context("fork")


def measure(folder: Path, counts: Counts) -> Table:
    """The table; `folder` takes the compiled program and the lease file."""
    program = build("leaselag", folder)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # as the service's unit has it
    guests = population.hosts(LEASES)
    lease_file = folder / "api.leases"
    lease_file.write_text(population.lease_file(guests))
    with serving.service(lease_file) as pid:
        quiet = lag(program, lease_file, counts.changes)
        events = _watched(program, lease_file, counts.changes)
        waits = _waited(lease_file, counts.changes)
        names = [guest.name for guest in guests]
        with _asking(names, pid) as load:
            loaded = lag(program, lease_file, counts.changes)
    rows = [
        Row(f"event -> {WATCHERS} watchers, p50", measured=_ms(events, 50)),
        at_most(f"event -> {WATCHERS} watchers, p99", percentile(events, 99) * 1e3, 5, "ms"),
        at_most("lease write -> Wait returns, p50", percentile(waits, 50) * 1e3, 10, "ms"),
        Row("lease write -> Wait returns, p99", measured=_ms(waits)),
        Row("lease write -> name found, nobody asks, p99", measured=_ms(quiet)),
        at_most(
            f"{CLIENTS:,} clients ask: lease write -> name found, p99",
            percentile(loaded, 99) * 1e3,
            20,
            "ms",
        ),
        at_least("calls answered a second meanwhile", load["rate"], CALLS_A_SECOND * 0.98, ""),
        Row("a call, p99", measured=f"{figure(load['p99'] * 1e3)} ms"),
        Row("CPU time of the service for a call", measured=f"{figure(load['cpu'] * 1e6)} µs"),
    ]
    return Table("the service's socket, at 1,000 leases", rows)


def _ms(seconds: list[float], share: int = 99) -> str:
    return f"{figure(percentile(seconds, share) * 1e3)} ms"


def _connect() -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(Paths().varlink))  # waits while many connect at once
    client.settimeout(60)
    return client


def _call(method: str, *, more: bool = False, **parameters: object) -> bytes:
    call: dict[str, object] = {"method": method, "parameters": parameters, "more": more}
    return json.dumps(call).encode() + b"\0"


def _watched(program: Path, lease_file: Path, changes: int) -> list[float]:
    """Seconds from each event to each watcher."""
    ready, done = _FORK.Event(), _FORK.Event()
    with ProcessPoolExecutor(1, _FORK, _share, (ready, done)) as pool:
        watching = pool.submit(_watch)
        try:
            _await(ready, watching)
            lag(program, lease_file, changes)
        finally:
            done.set()
        seconds = watching.result(60)
    if len(seconds) < changes * WATCHERS:
        raise BenchError(f"{len(seconds)} events came instead of {changes} for each watcher")
    return seconds


def _await(ready: Event, process: Future[Any]) -> None:
    """Wait until the other process is ready; raises what it raised."""
    deadline = time.monotonic() + 60
    while not ready.wait(0.1):
        if process.done():
            process.result()
        if time.monotonic() > deadline:
            raise BenchError("the clients were not ready in time")


_shared: dict[str, Event] = {}


def _share(ready: Event, done: Event) -> None:
    _shared.update(ready=ready, done=done)


def _watch() -> list[float]:
    """In a process of its own: how late each watcher saw each event."""
    selector = selectors.DefaultSelector()
    watchers = []
    for _ in range(WATCHERS):
        watcher = _connect()
        watcher.sendall(_call(interface.MONITOR, more=True))
        selector.register(watcher, selectors.EVENT_READ)
        watchers.append(watcher)
    synced = 0
    while synced < WATCHERS:  # the word is in no name, and hardly ever cut
        synced += sum(_has_synced(key.fileobj) for key, _ in selector.select())
    _shared["ready"].set()
    received: dict[socket.socket, list[tuple[float, bytes]]] = {one: [] for one in watchers}
    while not _shared["done"].is_set():
        for key, _ in selector.select(0.1):
            one: Any = key.fileobj
            received[one].append((time.time(), one.recv(1 << 20)))
    seconds: list[float] = []
    for one, pieces in received.items():
        one.close()
        rest = b""
        for now, piece in pieces:
            *messages, rest = (rest + piece).split(b"\0")
            replies = [json.loads(message)["parameters"] for message in messages]
            seconds += [now - reply["time"] for reply in replies if reply["kind"] == "added"]
    return seconds


def _has_synced(watcher: Any) -> bool:
    return b'"synced"' in watcher.recv(1 << 20)


def _waited(lease_file: Path, changes: int) -> list[float]:
    """Seconds from the write of each lease to the reply of a call that waits for it."""
    seconds = []
    expires = int(time.time()) + population.LIFETIME
    with _connect() as client, lease_file.open("ab", buffering=0) as file:
        for number in range(changes):
            client.sendall(_call(interface.WAIT, name=f"wait{number}", what="ipv4"))
            time.sleep(0.02)
            mac = f"52:54:01:00:{number >> 8:02x}:{number & 255:02x}"
            address = f"10.127.{number >> 8}.{number & 255}"
            line = f"{expires} {mac} {address} wait{number} *\n".encode()
            begin = time.perf_counter()
            file.write(line)
            reply = b""
            while not reply.endswith(b"\0"):
                reply += client.recv(65536)
            seconds.append(time.perf_counter() - begin)
            if not json.loads(reply[:-1])["parameters"]["met"]:
                raise BenchError(f"wait{number} was not met")
    return seconds


@contextmanager
def _asking(names: list[str], service: int) -> Iterator[dict[str, float]]:
    """CLIENTS ask while the block runs; the figures are there after it."""
    ready, done = _FORK.Event(), _FORK.Event()
    figures: dict[str, float] = {}
    with ProcessPoolExecutor(1, _FORK, _share, (ready, done)) as pool:
        asking = pool.submit(_ask, names)
        try:
            _await(ready, asking)
            before = serving.cpu_time(service)
            yield figures
            cpu = serving.cpu_time(service) - before
        finally:
            done.set()
        seconds, took = asking.result(60)
    figures["rate"] = len(seconds) / took
    figures["p99"] = percentile(seconds, 99)
    figures["cpu"] = cpu / len(seconds)


def _ask(names: list[str]) -> tuple[list[float], float]:
    """In a process of its own: seconds of each call, and how long it asked."""
    clients = []
    for number in range(CLIENTS):
        os.seteuid(_USER + number // OF_USER)
        clients.append(_connect())
        os.seteuid(0)
    selector = selectors.DefaultSelector()
    asked: dict[int, float] = {}
    for client in clients:
        selector.register(client, selectors.EVENT_READ)
    calls = [_call(interface.RESOLVE, query=name) for name in names]
    seconds: list[float] = []
    begin = time.perf_counter()
    sent = 0
    _shared["ready"].set()
    while not _shared["done"].is_set() or asked:
        due = int((time.perf_counter() - begin) * CALLS_A_SECOND)
        while sent < due and not _shared["done"].is_set():
            client = clients[sent % CLIENTS]
            if client.fileno() in asked:  # the service is late
                break
            asked[client.fileno()] = time.perf_counter()
            client.sendall(calls[sent % len(calls)])
            sent += 1
        for key, _ in selector.select(_TICK):
            answered: Any = key.fileobj
            if not answered.recv(65536):
                raise BenchError("the service hung up")
            seconds.append(time.perf_counter() - asked.pop(key.fd))
    took = time.perf_counter() - begin
    for client in clients:
        client.close()
    return seconds, took
