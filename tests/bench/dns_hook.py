"""The hook of systemd-resolved: a question on an open connection, beside a bare echo service.

The echo service reads up to the NUL and sends a reply of the same size: what a round trip over a
Varlink socket costs at least. Both are asked by turns, and the fifth of the rounds counts in which
the echo was quickest.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from leasewatch.dns.hook_interface import RESOLVE_RECORD
from tests.bench import population, serving
from tests.bench.counts import Counts
from tests.bench.service import LEASES
from tests.bench.table import Row, at_most, duration
from tests.bench.timing import BenchError, percentile

_CALLS = 100
"""Of each contestant in a round."""
_NAMES = ("resolve-names", "resolve-zones")


def measure(folder: Path, counts: Counts) -> Iterator[Row]:
    """Rows: a known name, an unknown one, and the echo."""
    guests = population.hosts(LEASES)
    lease_file = folder / "hook.leases"
    lease_file.write_text(population.lease_file(guests))
    known = [_question(guest.name) for guest in guests[:_CALLS]]
    unknown = [_question(f"no-{guest.name}") for guest in guests[:_CALLS]]
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(_listening(folder / name)) for name in _NAMES}
        stack.enter_context(serving.service(lease_file, sockets=sockets))
        hook = stack.enter_context(_connected(folder / _NAMES[0]))
        length = len(_ask(hook, known[0]))
        echo = stack.enter_context(_echo(folder / "echo", length))
        turns = ((hook, known), (hook, unknown), (echo, known))
        rounds = [
            [[_timed(peer, call) for call in calls] for peer, calls in turns]
            for _ in range(counts.rounds)
        ]
    rounds.sort(key=lambda took: sum(took[2]))
    quiet = rounds[: max(1, len(rounds) // 5)]
    *hooked, echoed = ([took for one in quiet for took in one[turn]] for turn in range(3))
    for what, took in zip(("a known name", "an unknown name"), hooked, strict=True):
        ratio = percentile(took, 50) / percentile(echoed, 50)
        yield Row(f"hook: {what}, p50", measured=f"{duration(percentile(took, 50))} ({ratio:.1f})")
        yield at_most(f"hook: {what}, p99", percentile(took, 99) * 1e3, 1, "ms")
    shown = " / ".join(duration(percentile(echoed, share)) for share in (50, 99))
    yield Row("hook: a bare echo service, p50 / p99", measured=shown)


def _question(name: str) -> bytes:
    keys = [{"key": {"class": 1, "type": kind, "name": name}} for kind in (1, 28)]
    call = {"method": RESOLVE_RECORD, "parameters": {"question": keys}}
    return json.dumps(call).encode() + b"\0"


def _timed(peer: socket.socket, call: bytes) -> float:
    begin = time.perf_counter()
    _ask(peer, call)
    return time.perf_counter() - begin


def _ask(peer: socket.socket, call: bytes) -> bytes:
    peer.sendall(call)
    reply = b""
    while not reply.endswith(b"\0"):
        received = peer.recv(65536)
        if not received:
            raise BenchError("the hook has hung up")
        reply += received
    return reply


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen(64)
        yield sock


@contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(str(path))
        yield sock


@contextmanager
def _echo(path: Path, length: int) -> Iterator[socket.socket]:
    """A connection to a process that answers each call with so many bytes."""
    with _listening(path) as listener:
        pid = os.fork()
        if not pid:
            _serve(listener, b" " * (length - 1) + b"\0")
        try:
            with _connected(path) as peer:
                yield peer
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _serve(listener: socket.socket, reply: bytes) -> None:
    peer, _ = listener.accept()
    while True:
        call = b""
        while not call.endswith(b"\0"):
            received = peer.recv(65536)
            if not received:
                os._exit(0)
            call += received
        peer.sendall(reply)
