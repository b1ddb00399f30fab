"""systemd-resolved's hook on sockets that the service inherits: the protocol, in a real service."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from leasewatch.api.admin_interface import STATUS
from leasewatch.daemon import activation
from leasewatch.dns import hook
from leasewatch.model import DomainState, Nic
from nss_pyvirt.snapshot import Address, Host, encode
from tests.leasewatch.dns.hooking import AAAA, PTR, A, Peer, Sockets, data
from tests.leasewatch.serving import Dnsmasq, Served
from tests.waiting import wait_for


@pytest.fixture
def sockets(tmp_path: Path) -> Iterator[Sockets]:
    with closing(Sockets(tmp_path)) as made:
        yield made


@pytest.fixture
def lab(served: Served, dnsmasq: Dnsmasq, sockets: Sockets) -> Iterator[Served]:
    """A service with web1 at 10.0.0.1, which holds lookups for long."""
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    start(served, sockets, HOLD_SECONDS=60.0)
    yield served
    assert "Traceback" not in served.said()


def start(served: Served, sockets: Sockets, **values: float) -> None:
    """In the service, the hook has these values."""
    served.start(first=lambda: vars(hook).update(values), sockets=sockets.listening)


def start_domain(lab: Served, *aliases: str, seconds: int = 60) -> Path:
    """A domain db1 that has no address yet."""
    now = time.time()
    state = DomainState(
        name="db1",
        nics=(Nic("lab", "52:54:00:00:00:02"),),
        pid=1,
        started=now,
        pending_until=int(now) + seconds,
        aliases=aliases,
    )
    path = lab.domain(state)
    wait_for("db1 to be pending", lambda: lab.status("db1") == "not yet")
    return path


def waiting(lab: Served, peers: int, sockets: Sockets) -> None:
    """Wait until the service has taken in so many peers."""
    path = str(sockets.paths["resolve-names"])

    def connected() -> bool:
        rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        return sum(row[-1] == path and row[5] == "03" for row in rows) == peers

    wait_for(f"{peers} peers; service: {lab.said()}", connected)


def test_names_and_addresses_are_answered_on_one_connection(lab: Served, sockets: Sockets) -> None:
    with sockets.peer() as peer:
        assert data(peer.resolve("web1", A, AAAA)) == ["10.0.0.1"]
        assert peer.resolve("web1", AAAA) == {"rcode": 0, "answer": []}
        names = data(peer.resolve("1.0.0.10.in-addr.arpa", PTR))
        assert names == ["web1.", "web1.lab.internal."]
        assert peer.resolve("nope.lab.internal", A) == {"rcode": 3}
        assert peer.resolve("nope", A) == {}
        assert peer.resolve("www.web1", A) == {}


def test_a_new_lease_and_its_end_are_in_the_next_answer(
    lab: Served, sockets: Sockets, dnsmasq: Dnsmasq
) -> None:
    with sockets.peer("zones") as peer:
        dnsmasq.lease(2, "late")
        dnsmasq.rewrite()
        lab.await_answer("late", "10.0.0.2")
        assert data(peer.resolve("late.lab.internal", A)) == ["10.0.0.2"]
        del dnsmasq.lines["late"]
        dnsmasq.rewrite()
        lab.await_answer("late")
        assert peer.resolve("late.lab.internal", A) == {"rcode": 3}


def test_the_sites_names_come_after_ours_and_unknown_ones_are_left_to_dns(
    lab: Served, sockets: Sockets
) -> None:
    ends = int(time.time()) + 600
    names = {"web1": "10.5.0.1", "web1.hostb.vm.example.org": "10.5.0.1", "far": "10.5.0.2"}
    hosts = [
        Host((name,), (Address(socket.AF_INET, socket.inet_aton(address), ends),))
        for name, address in names.items()
    ]
    lab.paths.peers_snapshot.parent.mkdir()
    lab.paths.peers_snapshot.write_bytes(encode(hosts, generation=1, published=0))
    with sockets.peer() as peer:
        assert data(peer.resolve("web1", A)) == ["10.0.0.1"]
        assert data(peer.resolve("far", A)) == ["10.5.0.2"]
        assert data(peer.resolve("web1.hostb.vm.example.org", A)) == ["10.5.0.1"]
        assert data(peer.resolve("2.0.5.10.in-addr.arpa", PTR)) == ["far."]
        assert peer.resolve("nope.hostb.vm.example.org", A) == {}


def test_a_filter_is_sent_again_when_it_changes_and_is_never_final(
    lab: Served, sockets: Sockets
) -> None:
    with sockets.peer("names") as bare, sockets.peer("zones") as zones:
        for peer in (bare, zones):
            peer.send("QueryFilter", more=True)
        filtered = {"filterLabelsMin": 1, "filterLabelsMax": 1}
        assert bare.receive() == {"parameters": filtered, "continues": True}
        wanted = ["lab.internal"]
        assert zones.receive() == {"parameters": {"filterDomains": wanted}, "continues": True}

        lab.network("dmz", lab.leases / "dmz")
        wanted = ["dmz.internal", "lab.internal"]
        assert zones.receive() == {"parameters": {"filterDomains": wanted}, "continues": True}
        start_domain(lab, "shop.example")
        wanted = ["dmz.internal", "lab.internal", "shop.example"]
        assert zones.receive() == {"parameters": {"filterDomains": wanted}, "continues": True}
        with (lab.paths.config).open("a") as settings:
            settings.write('[dns]\nsite = "example.org"\nkey = "site"\n')
        lab.rescan()
        there = {"vm.example.org", "in-addr.arpa", "ip6.arpa"}
        assert set(zones.receive()["parameters"]["filterDomains"]) > there

        lab.stop()
        for peer in (bare, zones):
            with pytest.raises(EOFError):
                peer.receive()


def test_a_filter_without_more_is_an_error_and_no_final_reply(
    lab: Served, sockets: Sockets
) -> None:
    with sockets.peer("zones") as peer:
        peer.send("QueryFilter")
        assert peer.receive()["error"] == "org.varlink.service.ExpectedMore"


def test_a_service_without_networks_switches_its_filter_of_zones_off(
    served: Served, sockets: Sockets
) -> None:
    served.settings("")
    served.start(sockets=sockets.listening)
    with sockets.peer("zones") as peer:
        peer.send("QueryFilter", more=True)
        assert peer.receive() == {"parameters": {"filterDomains": []}, "continues": True}


def test_a_pending_name_is_answered_when_its_table_is_published(
    lab: Served, sockets: Sockets, dnsmasq: Dnsmasq
) -> None:
    start_domain(lab)
    with ExitStack() as stack:
        peers = [stack.enter_context(sockets.peer()) for _ in range(3)]
        for peer in peers[:2]:
            peer.ask("db1", A, AAAA)
        peers[2].ask("db1.lab.internal", AAAA)
        assert data(sockets.resolve("web1", A)) == ["10.0.0.1"]
        dnsmasq.lease(2, "fedora")
        dnsmasq.rewrite()
        for peer in peers[:2]:
            assert data(peer.receive()["parameters"]) == ["10.0.0.2"]
        assert peers[2].receive()["parameters"] == {"rcode": 0, "answer": []}


def test_a_name_that_stays_pending_fails_before_the_client_gives_up(
    served: Served, sockets: Sockets
) -> None:
    assert hook.HOLD_SECONDS < 5
    start(served, sockets, HOLD_SECONDS=1.0)
    start_domain(served)
    began = time.monotonic()
    assert sockets.resolve("db1", A) == {"rcode": 2}
    assert time.monotonic() - began > 0.9


def test_a_shorter_wait_of_the_settings_counts(lab: Served, sockets: Sockets) -> None:
    with (lab.paths.config).open("a") as settings:
        settings.write("[names]\npending_wait = 0\n")
    lab.rescan()
    start_domain(lab)
    assert sockets.resolve("db1", A) == {"rcode": 2}


def test_a_service_that_stops_lets_pending_lookups_fail(lab: Served, sockets: Sockets) -> None:
    start_domain(lab)
    with sockets.peer() as peer:
        peer.ask("web1", A)
        peer.receive()
        peer.ask("db1", A)
        wait_for("it to be held", lambda: _held(lab) == 1)
        lab.stop()
        assert peer.receive()["parameters"] == {"rcode": 2}


def _held(lab: Served) -> int:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(60)
        sock.connect(lab.paths.socket)
        peer = Peer(sock)
        peer.call(STATUS)
        return int(peer.receive()["parameters"]["lookups_waiting"])


def test_no_more_are_held_than_the_limit(
    served: Served, dnsmasq: Dnsmasq, sockets: Sockets
) -> None:
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    start(served, sockets, MOST_HELD=2, HOLD_SECONDS=60.0)
    start_domain(served)
    with ExitStack() as stack:
        peers = [stack.enter_context(sockets.peer()) for _ in range(2)]
        for peer in peers:
            peer.ask("db1", A)
        wait_for("both to be held", lambda: _held(served) == 2)
        assert sockets.resolve("db1", A) == {"rcode": 2}
        assert data(sockets.resolve("web1", A)) == ["10.0.0.1"]


def test_thousands_of_connections_leave_a_place_for_others(lab: Served, sockets: Sockets) -> None:
    with ExitStack() as stack:
        for _ in range(2000):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.connect(str(sockets.paths["resolve-names"]))
        waiting(lab, hook.LIMITS.connections_of_user, sockets)
    wait_for("a place", lambda: _answers(sockets))


def _answers(sockets: Sockets) -> bool:
    try:
        return data(sockets.resolve("web1", A)) == ["10.0.0.1"]
    except EOFError:
        return False


def test_a_peer_that_never_reads_costs_others_nothing(lab: Served, sockets: Sockets) -> None:
    with sockets.peer() as deaf:
        deaf.sock.setblocking(False)
        peer = Peer(deaf.sock)
        with suppress(BlockingIOError):
            while True:
                peer.ask("web1", *[A] * 16)
        assert data(sockets.resolve("web1", A)) == ["10.0.0.1"]


@pytest.mark.parametrize(
    "question",
    [
        [{"key": {"class": 1, "type": 1, "name": "web1"}}] * 17,
        [{"key": {"class": 1, "type": 1, "name": "x" * 2000}}],
        [{"key": {"class": 1, "type": -1, "name": "web1"}}],
        [{"key": {"class": 1, "type": 1 << 40, "name": "web1"}}],
        [{"key": {"class": 1, "type": "A", "name": "web1"}}],
        [{"key": {"type": 1}}],
        [{}],
        "web1",
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    lab: Served, sockets: Sockets, question: object
) -> None:
    with sockets.peer() as peer:
        peer.send("ResolveRecord", question=question)
        assert peer.receive()["error"] == "org.varlink.service.InvalidParameter"
        assert data(peer.resolve("web1", A)) == ["10.0.0.1"]


def test_a_damaged_table_leaves_names_to_dns(lab: Served, sockets: Sockets) -> None:
    lab.paths.snapshot.write_bytes(b"nonsense")
    assert sockets.resolve("nope.lab.internal", A) in ({}, {"rcode": 3})  # it may be mended


def test_a_restart_on_the_same_sockets_answers_what_has_come_meanwhile(
    lab: Served, sockets: Sockets
) -> None:
    lab.stop(signal.SIGKILL)
    with sockets.peer() as early:
        early.ask("web1", A)
        lab.start(sockets=sockets.listening)
        assert data(early.receive()["parameters"]) == ["10.0.0.1"]


def test_sockets_of_another_process_or_kind_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    monkeypatch.setenv("LISTEN_FDS", "1")
    assert activation.inherited() == {}
    assert "LISTEN_FDS" not in os.environ
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "x")
    assert activation.inherited() == {}
