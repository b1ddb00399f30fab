"""The Varlink server: every method and error, and peers that mean harm."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import varlink
from hypothesis import example, given, settings
from hypothesis import strategies as st

from leasewatch.api import connection, interface
from leasewatch.api.admin_interface import ADMIN
from leasewatch.api.interface import SERVICE_NAME as SERVICE
from leasewatch.model import DomainState, Nic
from tests.leasewatch.serving import Dnsmasq, Served
from tests.waiting import wait_for


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("root"))
    dnsmasq = Dnsmasq(made.leases / "lab")
    for number, name in enumerate(("web1", "wpad", "dead", "brief"), 1):
        dnsmasq.lease(number, name, 1000 if name == "dead" else None)
    dnsmasq.lines["x"] = "0 52:54:00:00:00:09 10.0.0.9 * *\n"
    dnsmasq.rewrite()
    dnsmasq.close()
    made.domain(
        DomainState(
            name="db1",
            nics=(Nic("lab", "52:54:00:00:00:77"),),
            pid=os.getpid(),
            started=1,
            pending_until=int(time.time()) + 3600,
        )
    )
    made.start()
    yield made
    made.close()


def connect(served: Served) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(str(served.paths.varlink))
    return client


def receive(client: socket.socket) -> bytes:
    """Until NUL, or until the peer closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while not received.endswith(b"\0") and (piece := client.recv(65536)):
            received += piece
    return received


def ask(served: Served, method: str, **parameters: object) -> dict[str, Any]:
    with connect(served) as client:
        client.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
        reply: dict[str, Any] = json.loads(receive(client).removesuffix(b"\0"))
    return reply


def test_list_shows_each_candidate_and_what_became_of_it(served: Served) -> None:
    reply = ask(served, interface.LIST)["parameters"]
    shown = {(e["name"], e["address"]): e["verdict"] for e in reply["entries"]}
    assert shown == {
        ("web1", "10.0.0.1"): "published",
        ("wpad", "10.0.0.2"): "refused",
        ("dead", "10.0.0.3"): "expired",
        ("brief", "10.0.0.4"): "published",
        (None, "10.0.0.9"): "unnamed",
        ("db1", None): "pending",
    }
    assert reply["generation"] > 0


@pytest.mark.parametrize(
    "query",
    ["web1", "WEB1.", "web1.lab.internal", "Web1.Lab.Internal.", "10.0.0.1", "::ffff:10.0.0.1"],
)
def test_resolve_finds_a_host_by_each_of_its_names_and_by_its_address(
    served: Served, query: str
) -> None:
    reply = ask(served, interface.RESOLVE, query=query)["parameters"]
    assert (reply["name"], reply["aliases"]) == ("web1", ["web1.lab.internal"])
    assert [a["address"] for a in reply["addresses"]] == ["10.0.0.1"]
    assert reply["trust"] == "guest"
    assert [c["verdict"] for c in reply["candidates"]] == ["published"]


def test_resolve_of_a_pending_domain_says_until_when(served: Served) -> None:
    reply = ask(served, interface.RESOLVE, query="db1")["parameters"]
    assert reply["addresses"] == []
    assert reply["pending_until"] > time.time()


@pytest.mark.parametrize(
    ("query", "verdicts"),
    [
        ("nobody", []),
        ("", []),
        (".", []),
        ("wpad", ["refused"]),
        ("wpad.lab.internal", ["refused"]),
        ("dead", ["expired"]),
        ("10.0.0.3", ["expired"]),
        ("10.0.0.9", ["unnamed"]),
        ("10.0.0.99", []),
        ("www.web1", []),
        ("a" * 5000, []),
        ("w\u00e9b", []),
    ],
)
def test_what_answers_nothing_comes_with_the_candidates_that_were_refused(
    served: Served, query: str, verdicts: list[str]
) -> None:
    reply = ask(served, interface.RESOLVE, query=query)
    assert reply["error"] == interface.NO_SUCH_NAME
    assert reply["parameters"]["query"] == query
    assert [c["verdict"] for c in reply["parameters"]["candidates"]] == verdicts


@pytest.mark.parametrize(
    ("method", "parameters", "error", "detail"),
    [
        (interface.RESOLVE, {}, f"{SERVICE}.InvalidParameter", {"parameter": "query"}),
        (
            interface.RESOLVE,
            {"query": 1},
            f"{SERVICE}.InvalidParameter",
            {"parameter": "query"},
        ),
        (
            f"{interface.NAME}.No",
            {},
            f"{SERVICE}.MethodNotFound",
            {"method": f"{interface.NAME}.No"},
        ),
        ("a.b.C", {}, f"{SERVICE}.InterfaceNotFound", {"interface": "a.b"}),
        ("", {}, f"{SERVICE}.InterfaceNotFound", {"interface": ""}),
        (
            f"{SERVICE}.GetInterfaceDescription",
            {"interface": "a.b"},
            f"{SERVICE}.InterfaceNotFound",
            {"interface": "a.b"},
        ),
        (
            f"{SERVICE}.GetInterfaceDescription",
            {"interface": []},
            f"{SERVICE}.InvalidParameter",
            {"parameter": "interface"},
        ),
    ],
)
def test_a_wrong_call_gets_varlinks_own_error(
    served: Served, method: str, parameters: dict[str, object], error: str, detail: object
) -> None:
    assert ask(served, method, **parameters) == {"error": error, "parameters": detail}


def test_the_service_describes_itself(served: Served) -> None:
    assert interface.NAME in ask(served, f"{SERVICE}.GetInfo")["parameters"]["interfaces"]
    for name in (interface.NAME, interface.SERVICE_NAME):
        found = ask(served, f"{SERVICE}.GetInterfaceDescription", interface=name)
        assert f"interface {name}\n" in found["parameters"]["description"]


@pytest.fixture
def peer(served: Served) -> Iterator[Any]:
    """Varlink's own client for Python: it knows of us what our description says, and no more.

    Of replies it keeps what is described and not null, and refuses what is of another type.
    """
    with (
        varlink.Client(f"unix:{served.paths.varlink}") as client,
        client.open(interface.NAME) as opened,
    ):
        yield opened


def stated(value: Any) -> Any:
    """Without what is null."""
    if isinstance(value, dict):
        return {key: stated(part) for key, part in value.items() if part is not None}
    return [stated(part) for part in value] if isinstance(value, list) else value


EVERYTHING = {"query": None, "since": None, "limit": None}


@pytest.mark.parametrize(
    ("method", "parameters", "of_interest"),
    [
        (interface.LIST, {}, "entries"),
        (interface.RESOLVE, {"query": "web1"}, "addresses"),
        (interface.RESOLVE, {"query": "db1"}, "pending_until"),
        (interface.SOURCES, {}, "sources"),
        (interface.HISTORY, EVERYTHING, "holdings"),
        (interface.EVENTS, EVERYTHING, "events"),
    ],
)
def test_another_implementation_finds_every_answer_as_it_is_described(
    served: Served, peer: Any, method: str, parameters: dict[str, object], of_interest: str
) -> None:
    wait_for("a history", lambda: "error" not in ask(served, interface.HISTORY))
    found = getattr(peer, method.rpartition(".")[2])(**parameters)
    assert found[of_interest]
    assert found == stated(ask(served, method, **parameters)["parameters"])
    assert [*getattr(peer, method.rpartition(".")[2])(**parameters, _more=True)] == [found]


def test_another_implementation_understands_our_errors(served: Served, peer: Any) -> None:
    with pytest.raises(varlink.VarlinkError) as caught:
        peer.Resolve("wpad")
    reply = ask(served, interface.RESOLVE, query="wpad")
    assert caught.value.error() == reply["error"] == interface.NO_SUCH_NAME
    assert caught.value.parameters() == reply["parameters"]


def test_calls_on_one_connection_are_answered_in_order_and_oneway_ones_not(
    served: Served,
) -> None:
    calls = [
        {"method": interface.RESOLVE, "parameters": {"query": "web1"}},
        {"method": interface.RESOLVE, "parameters": {"query": "web1"}, "oneway": True},
        {"method": f"{SERVICE}.GetInfo"},
    ]
    with connect(served) as client:
        client.sendall(b"".join(json.dumps(call).encode() + b"\0" for call in calls))
        received = b""
        while received.count(b"\0") < 2:
            received += client.recv(65536)
    first, second = (json.loads(reply) for reply in received.split(b"\0")[:2])
    assert first["parameters"]["name"] == "web1"
    assert second["parameters"]["product"] == "leasewatch"


@pytest.mark.parametrize(
    "message",
    [
        b"\0",
        b"{\0",
        b"[]\0",
        b"null\0",
        b'{"method": 7}\0',
        b'{"parameters": {}}\0',
        b"\xff\xfe\0",
        b"[" * 50_000 + b"\0",
        b'{"method":"' + b"x" * (2 * interface.MAX_CALL) + b'"}\0',
        b"x" * (8 * interface.MAX_CALL),
    ],
    ids=lambda m: repr(m[:20]),
)
def test_what_is_no_call_ends_the_connection_and_nothing_else(
    served: Served, message: bytes
) -> None:
    with connect(served) as client:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(message)
        assert receive(client) == b""
    assert ask(served, interface.RESOLVE, query="web1")["parameters"]["name"] == "web1"
    assert "Traceback" not in served.said()


def test_one_users_connections_are_limited_and_idle_ones_end(tmp_path: Path) -> None:
    served = Served(tmp_path)
    served.settings("[api]\nconnections_of_user = 20\n")
    served.start(first=lambda: vars(connection).update(IDLE_SECONDS=2.0))
    crowd = [connect(served) for _ in range(40)]
    try:
        assert all(receive(client) == b"" for client in crowd[20:])
        assert all(receive(client) == b"" for client in crowd[:20])
        wait_for("a place to be free again", lambda: _asks(served))
        counters = ask(served, f"{ADMIN}.Status")["parameters"]["counters"]
        assert counters["connections_refused"] >= 20
    finally:
        for client in crowd:
            client.close()
        served.close()


def _asks(served: Served) -> bool:
    try:
        return "parameters" in ask(served, f"{SERVICE}.GetInfo")
    except (OSError, ValueError):
        return False


def test_a_peer_that_never_reads_costs_no_memory_and_delays_no_other(tmp_path: Path) -> None:
    served = Served(tmp_path)
    dnsmasq = Dnsmasq(served.leases / "lab")
    for number in range(1, 5001):
        dnsmasq.lease(number, f"vm{number}")
    dnsmasq.rewrite()
    crowd: list[socket.socket] = []
    try:
        served.start()
        before = _resident(served.pid)
        for number in range(10):
            client = connect(served)
            crowd.append(client)
            call = {"method": interface.LIST, "more": number % 2 == 0}
            client.sendall(json.dumps(call).encode() + b"\0")
        dnsmasq.lease(5001, "late")
        dnsmasq.rewrite()
        served.await_answer("late", "10.0.19.137")
        assert len(ask(served, interface.LIST)["parameters"]["entries"]) == 5001
        wait_for("little memory", lambda: _resident(served.pid) - before < 8 << 20, 20)
    finally:
        for client in crowd:
            client.close()
        dnsmasq.close()
        served.close()


@pytest.mark.parametrize("method", [interface.HISTORY, interface.EVENTS])
def test_a_query_of_endless_labels_finds_nothing_and_costs_nothing(
    served: Served, method: str
) -> None:
    wait_for("a history", lambda: "error" not in ask(served, method))
    before = _peak(served.pid)
    (rows,) = ask(served, method, query="a." * 32_000)["parameters"].values()
    assert rows == []
    assert _peak(served.pid) - before < 32 << 10


def _peak(pid: int) -> int:
    """KiB that it has had in memory at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


METHODS = [value for name, value in vars(interface).items() if name.isupper() and value]
TEXTS = st.one_of(st.text(max_size=20), st.sampled_from(["web1", "10.0.0.1", "", "\ud800", "::"]))
CALLS = st.one_of(
    st.binary(max_size=200).filter(lambda data: b"\0" not in data),
    st.fixed_dictionaries(
        {"method": st.one_of(TEXTS, st.sampled_from(METHODS))},
        optional={
            "parameters": st.one_of(
                st.dictionaries(st.sampled_from(["query", "interface", "since", "x"]), TEXTS),
                st.recursive(TEXTS, st.lists, max_leaves=4),
            ),
            "oneway": st.booleans(),
            "more": st.booleans(),
        },
    ).map(lambda call: json.dumps(call).encode()),
)


@given(st.lists(CALLS, min_size=1, max_size=4))
@example([b'{"method":"a","parameters":' + b"[" * 30_000])
@example([b'{"x":' * 10_000])
@example([b'{"method":"\x80"}'])
@example([b'{"method":"%s","parameters":"\x80"}' % interface.RESOLVE.encode()])
@settings(max_examples=50)
def test_the_next_peer_is_answered_after_any_bytes_of_another(
    served: Served, calls: list[bytes]
) -> None:
    with connect(served) as client, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        client.sendall(b"".join(call + b"\0" for call in calls))
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
    assert ask(served, f"{SERVICE}.GetInfo")["parameters"]["product"] == "leasewatch"
    assert "Traceback" not in served.said()
