"""Clients that mean harm to a real service: they are cut off, and everybody else is served."""

from __future__ import annotations

import contextlib
import json
import resource
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from leasewatch.api import client, connection, feed, interface
from leasewatch.api.admin_interface import ADMIN
from leasewatch.daemon.service_settings import Limits
from tests.leasewatch.serving import Dnsmasq, Served
from tests.waiting import wait_for

GUESTS = 400


def start(served: Served, dnsmasq: Dnsmasq, module: ModuleType, **values: float) -> None:
    """Serve GUESTS leases; in the service, the module has these values."""
    for number in range(1, GUESTS + 1):
        dnsmasq.lease(number, f"vm{number}")
    dnsmasq.rewrite()
    served.start(first=lambda: vars(module).update(values))


@pytest.fixture
def lab(served: Served, dnsmasq: Dnsmasq) -> Iterator[Served]:
    """A service with 2 seconds of patience."""
    start(served, dnsmasq, connection, IDLE_SECONDS=2.0)
    yield served
    assert "Traceback" not in served.said()


@pytest.fixture
def forgetful(served: Served, dnsmasq: Dnsmasq) -> Iterator[Served]:
    """A service that keeps few events, but more than come at once here."""
    start(served, dnsmasq, feed, KEPT=3 * GUESTS)
    yield served
    assert "Traceback" not in served.said()


@pytest.fixture
def crowd() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def connect(lab: Served, crowd: contextlib.ExitStack) -> socket.socket:
    peer = crowd.enter_context(socket.socket(socket.AF_UNIX))
    peer.connect(str(lab.paths.varlink))
    peer.settimeout(60)
    return peer


def call(method: str, *, more: bool = False, **parameters: object) -> bytes:
    asked = {"method": method, "parameters": parameters, "more": more}
    return json.dumps(asked).encode() + b"\0"


def ended(peer: socket.socket) -> bool:
    """Read all that comes, until the service closes; TimeoutError if it does not."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while peer.recv(1 << 20):
            pass
    return True


def counted(lab: Served, counter: str) -> int:
    """A counter of `leasewatch admin status`."""
    with contextlib.ExitStack() as crowd:
        peer = connect(lab, crowd)
        peer.sendall(call(f"{ADMIN}.Status"))
        reply = b""
        while not reply.endswith(b"\0"):
            reply += peer.recv(65536)
    found: dict[str, Any] = json.loads(reply[:-1])["parameters"]["counters"]
    return int(found[counter])


def lease(lab: Served, dnsmasq: Dnsmasq, name: str) -> None:
    """A new lease answers."""
    dnsmasq.lease(60_000, name)
    dnsmasq.rewrite()
    lab.await_answer(name, "10.0.234.96")


def memory(lab: Served) -> int:
    """Bytes that the service has in memory."""
    pages = int(Path(f"/proc/{lab.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def test_half_a_call_is_cut_off(lab: Served, dnsmasq: Dnsmasq, crowd: contextlib.ExitStack) -> None:
    peers = [connect(lab, crowd) for _ in range(60)]
    for peer in peers:
        peer.sendall(b'{"method":')
    lease(lab, dnsmasq, "late")
    assert all(map(ended, peers))
    wait_for("the count of them", lambda: counted(lab, "peers_faulty") >= len(peers))


def test_ten_thousand_connections_keep_nobody_from_a_name(
    lab: Served, dnsmasq: Dnsmasq, crowd: contextlib.ExitStack
) -> None:
    for number in range(10_000):
        peer = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError):
            peer.connect(str(lab.paths.varlink))
        if number % 50:
            peer.close()
        else:
            crowd.enter_context(peer)
    lease(lab, dnsmasq, "late")
    assert counted_at_last(lab, "connections") > 0


def counted_at_last(lab: Served, counter: str) -> int:
    """The counter, once there is a place to ask from."""

    def ask() -> int:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return counted(lab, counter)
        return 0

    return wait_for("a place to ask from", ask)


def test_calls_whose_replies_are_not_read_cost_little_memory(
    lab: Served, dnsmasq: Dnsmasq, crowd: contextlib.ExitStack
) -> None:
    before = memory(lab)
    peers = [connect(lab, crowd) for _ in range(20)]
    calls = call(interface.LIST) + call(interface.RESOLVE, query="vm1") * 500
    for peer in peers:
        peer.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(100):
                peer.send(calls)
    lease(lab, dnsmasq, "late")
    assert memory(lab) - before < 16 << 20
    for peer in peers:
        peer.settimeout(60)
    assert all(map(ended, peers))


def test_a_watcher_that_does_not_read_is_cut_off_and_the_others_are_not(
    forgetful: Served, dnsmasq: Dnsmasq, crowd: contextlib.ExitStack
) -> None:
    peers = [connect(forgetful, crowd) for _ in range(20)]
    for peer in peers:
        peer.sendall(call(interface.MONITOR, more=True))
    watching = client.monitor(forgetful.paths.varlink, timeout=120)
    kinds = [next(watching).kind for _ in range(GUESTS + 1)]
    assert kinds == ["snapshot"] * GUESTS + ["synced"]
    names = dict(dnsmasq.lines)
    other = {name: line.replace("vm", "other") for name, line in names.items()}
    for _ in range(5):
        dnsmasq.lines = other if dnsmasq.lines == names else names
        dnsmasq.rewrite()
        seen = 0
        while seen < GUESTS:
            seen += next(watching).kind == "added"
    assert all(map(ended, peers))
    wait_for("the count", lambda: counted(forgetful, "watchers_cut_off") == len(peers))
    lease(forgetful, dnsmasq, "late")


def test_clients_that_leave_free_their_places(lab: Served) -> None:
    for _ in range(3):
        with contextlib.ExitStack() as crowd:
            for _ in range(100):
                connect(lab, crowd).sendall(call(interface.MONITOR, more=True))
                with contextlib.ExitStack() as another:
                    connect(lab, another).sendall(call(interface.WAIT, name="x", what="ipv4"))

    def watches() -> bool:
        with contextlib.ExitStack() as crowd, contextlib.suppress(OSError):
            peer = connect(lab, crowd)
            peer.sendall(call(interface.MONITOR, more=True))
            return b"snapshot" in peer.recv(65536)
        return False

    wait_for("a place to watch from", watches)


def test_too_many_that_wait_are_refused(lab: Served, crowd: contextlib.ExitStack) -> None:
    peers = [connect(lab, crowd) for _ in range(Limits().waits_of_user + 1)]
    for peer in peers:
        peer.sendall(call(interface.WAIT, name="x", what="ipv4", timeout=3600))
    (refused, *others), _, _ = select.select(peers, [], [], 60)
    assert not others
    assert json.loads(refused.recv(65536)[:-1])["error"] == interface.TOO_MANY_WAITS


def test_a_slow_reader_that_sends_no_more_gets_the_whole_reply(
    lab: Served, crowd: contextlib.ExitStack
) -> None:
    peer = connect(lab, crowd)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.sendall(call(interface.LIST))
    peer.shutdown(socket.SHUT_WR)
    reply = b""
    while piece := peer.recv(4096):
        reply += piece
    assert len(json.loads(reply[:-1])["parameters"]["entries"]) == GUESTS


@pytest.mark.parametrize("method", [interface.MONITOR, interface.RECORDS, interface.WAIT])
def test_a_call_that_waits_ends_with_its_peer(
    lab: Served, crowd: contextlib.ExitStack, method: str
) -> None:
    peer = connect(lab, crowd)
    peer.sendall(call(method, more=True, name="x", what="ipv4"))
    peer.shutdown(socket.SHUT_WR)
    assert ended(peer)
