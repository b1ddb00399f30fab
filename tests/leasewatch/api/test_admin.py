"""org.pyvirt.Admin of a real service: what everybody may ask, and what only some may change."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from leasewatch import service
from leasewatch.api import admin_interface as admin
from leasewatch.api import interface
from nss_pyvirt import __version__
from tests.forking import fork
from tests.leasewatch.serving import Dnsmasq, Served
from tests.waiting import wait_for

SERVICE = interface.SERVICE_NAME
GROUP = 4242
OTHER = 4243
CHANGES: list[tuple[str, dict[str, object]]] = [
    (admin.DISCONNECT, {"id": 10_000}),
    (admin.SET_LIMITS, {"connections": 1024}),
    (admin.SET_LOG_LEVEL, {"level": "info"}),
    (admin.RELOAD, {}),
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Its group of administrators is GROUP as root, and this process's own as a plain user."""
    made = Served(tmp_path_factory.mktemp("root"))
    dnsmasq = Dnsmasq(made.leases / "lab")
    for number, name in enumerate(("web1", "wpad"), 1):
        dnsmasq.lease(number, name)
    dnsmasq.rewrite()
    dnsmasq.close()
    made.paths.root.chmod(0o755)
    group = os.getgid() or GROUP
    made.start(first=lambda: setattr(service, "_admins", lambda: group))
    yield made
    made.close()


def connect(served: Served) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(str(served.paths.varlink))
    return client


def call(client: socket.socket, method: str, **parameters: object) -> dict[str, Any]:
    client.sendall(json.dumps({"method": method, "parameters": parameters}).encode() + b"\0")
    received = b""
    while not received.endswith(b"\0"):
        received += (piece := client.recv(65536))
        assert piece, "the service hung up"
    reply: dict[str, Any] = json.loads(received[:-1])
    return reply


def ask(served: Served, method: str, **parameters: object) -> dict[str, Any]:
    served.ignore_notices()
    with connect(served) as client:
        return call(client, method, **parameters)


def wait_until_gone(client: socket.socket) -> None:
    with suppress(ConnectionResetError):
        assert client.recv(1) == b""


def test_status_says_what_the_service_is_and_has_done(served: Served) -> None:
    first = ask(served, admin.STATUS)["parameters"]
    assert (first["version"], first["pid"]) == (__version__, served.pid)
    assert (first["names"], first["leases"], first["networks"], first["sources"]) == (1, 2, 1, 1)
    assert first["clients"] == 1
    counted = first["counters"]
    assert counted["publishes"] >= 1
    assert 0 < counted["publish_longest"] <= counted["publish_seconds"]
    assert counted["parses"] >= 1
    assert 0 < counted["parse_longest"] <= counted["parse_seconds"]
    assert counted["claims_refused"] == 1
    second = ask(served, admin.STATUS)["parameters"]
    assert second["uptime"] > first["uptime"]
    assert second["counters"]["connections"] == counted["connections"] + 1
    assert second["counters"]["calls"] == counted["calls"] + 1


def test_clients_are_shown_with_their_process_and_their_calls(served: Served) -> None:
    with connect(served) as one, connect(served) as other:
        call(one, interface.RESOLVE, query="web1")
        call(other, interface.RESOLVE, query="web1")
        call(other, interface.RESOLVE, query="web1")
        clients = call(one, admin.CLIENTS)["parameters"]["clients"]
    assert [client["calls"] for client in clients] == [2, 2]
    assert {(client["pid"], client["uid"]) for client in clients} == {(os.getpid(), os.getuid())}
    words = Path(f"/proc/{os.getpid()}/cmdline").read_text().replace("\0", " ")
    assert words.startswith(clients[0]["command"])
    assert clients[0]["id"] < clients[1]["id"]
    assert abs(time.time() - clients[0]["since"]) < 60


def test_a_client_is_disconnected_by_its_number(served: Served) -> None:
    with connect(served) as client, connect(served) as other:
        (number,) = (
            shown["id"]
            for shown in call(client, admin.CLIENTS)["parameters"]["clients"]
            if shown["calls"] == 1
        )
        assert call(other, admin.DISCONNECT, id=number) == {"parameters": {}}
        wait_until_gone(client)
        gone = call(other, admin.DISCONNECT, id=number)
    assert gone == {"error": admin.NO_SUCH_CLIENT, "parameters": {"id": number}}
    assert ask(served, admin.STATUS)["parameters"]["counters"]["connections_disconnected"] >= 1


def test_a_call_that_wants_no_reply_does_what_it_says(served: Served) -> None:
    with connect(served) as client, connect(served) as other:
        call(client, admin.STATUS)
        shown = call(other, admin.CLIENTS)["parameters"]["clients"]
        number = min(one["id"] for one in shown if one["calls"] == 1)
        wanted = {"method": admin.DISCONNECT, "parameters": {"id": number}, "oneway": True}
        other.sendall(json.dumps(wanted).encode() + b"\0")
        wait_until_gone(client)
        assert call(other, admin.GET_LOG_LEVEL)["parameters"] == {"level": "info"}


def test_a_watcher_is_counted_with_its_events_and_is_disconnected(served: Served) -> None:
    with connect(served) as watcher:
        watcher.sendall(json.dumps({"method": interface.MONITOR, "more": True}).encode() + b"\0")
        received = b""
        while b'"synced"' not in received:
            received += (piece := watcher.recv(65536))
            assert piece
        before = ask(served, admin.STATUS)["parameters"]
        assert (before["watching"], before["waiting"]) == (1, 0)
        dnsmasq = Dnsmasq(served.leases / "other")
        dnsmasq.lease(9, "other9")
        dnsmasq.rewrite()
        dnsmasq.close()
        added = f'[[source]]\npath = "{served.leases}/other"\nnetwork = "other"\n'
        sound = served.paths.config.read_text()
        try:
            served.settings(sound + added)
            ask(served, admin.RELOAD)
            while b"other9" not in received:
                received += (piece := watcher.recv(65536))
                assert piece
            counted = ask(served, admin.STATUS)["parameters"]["counters"]
            assert counted["events"] > before["counters"]["events"]
        finally:
            served.settings(sound)
            ask(served, admin.RELOAD)
        (entry,) = (
            one
            for one in ask(served, admin.CLIENTS)["parameters"]["clients"]
            if one["waiting"] == "Monitor"
        )
        ask(served, admin.DISCONNECT, id=entry["id"])
        with suppress(ConnectionResetError):
            while watcher.recv(65536):
                pass

    def nobody_watches() -> bool:
        return bool(ask(served, admin.STATUS)["parameters"]["watching"] == 0)

    wait_for("the watcher to be gone", nobody_watches)


def test_limits_that_are_set_hold_until_a_reload(served: Served) -> None:
    before = ask(served, admin.GET_LIMITS)["parameters"]["limits"]
    with connect(served) as one, connect(served) as other:
        call(other, admin.STATUS)
        after = call(one, admin.SET_LIMITS, connections_of_user=2)["parameters"]["limits"]
        assert after == before | {"connections_of_user": 2}
        with connect(served) as refused:
            wait_until_gone(refused)
        assert call(one, admin.RELOAD) == {"parameters": {}}
        assert call(one, admin.GET_LIMITS)["parameters"]["limits"] == before


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"connections": 15}, "connections"),
        ({"connections": 4097}, "connections"),
        ({"connections": 10**30}, "connections"),
        ({"connections": 1.5}, "connections"),
        ({"connections": "100"}, "connections"),
        ({"connections_of_user": 1}, "connections_of_user"),
        ({"connections_of_user": -1}, "connections_of_user"),
        ({"waits_of_user": 0}, "waits_of_user"),
        ({"waits_of_user": True}, "waits_of_user"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(
    served: Served, parameters: dict[str, object], fault: str
) -> None:
    before = ask(served, admin.GET_LIMITS)
    reply = ask(served, admin.SET_LIMITS, **parameters)
    assert reply == {"error": f"{SERVICE}.InvalidParameter", "parameters": {"parameter": fault}}
    assert ask(served, admin.GET_LIMITS) == before


def test_the_log_level_is_set_while_the_service_runs(served: Served) -> None:
    assert ask(served, admin.GET_LOG_LEVEL)["parameters"] == {"level": "info"}
    assert ask(served, admin.SET_LOG_LEVEL, level="debug")["parameters"] == {"level": "debug"}
    ask(served, interface.RESOLVE, query="web1")
    served.await_said(f"call method={interface.RESOLVE} pid={os.getpid()} uid={os.getuid()}")
    ask(served, admin.SET_LOG_LEVEL, level="error")
    assert ask(served, admin.STATUS)["parameters"]["log_level"] == "error"
    wrong = ask(served, admin.SET_LOG_LEVEL, level="loud")
    assert wrong == {"error": f"{SERVICE}.InvalidParameter", "parameters": {"parameter": "level"}}
    ask(served, admin.RELOAD)
    assert ask(served, admin.GET_LOG_LEVEL)["parameters"] == {"level": "info"}


def test_a_reload_says_what_is_wrong_in_the_settings(served: Served) -> None:
    sound = served.paths.config.read_text()
    try:
        served.settings(sound + "[api]\nconnections = 0\n")
        reply = ask(served, admin.RELOAD)
        assert reply["error"] == admin.FAULTY_SETTINGS
        assert "api.connections" in reply["parameters"]["faults"][0]
        served.settings(sound + '[api]\nconnections = 500\n[log]\nlevel = "notice"\n')
        assert ask(served, admin.RELOAD) == {"parameters": {}}
        assert ask(served, admin.GET_LIMITS)["parameters"]["limits"]["connections"] == 500
        assert ask(served, admin.STATUS)["parameters"]["log_level"] == "notice"
    finally:
        served.settings(sound)
        ask(served, admin.RELOAD)


def as_user(served: Served, uid: int, gid: int, groups: list[int]) -> set[str]:
    """The errors that a process of that user gets for CHANGES; "": done."""
    served.ignore_notices()
    reader, writer = os.pipe()

    def run() -> int:
        os.chdir(served.paths.root)
        os.setgroups(groups)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(str(served.paths.varlink.relative_to(served.paths.root)))
            assert "names" in call(client, admin.STATUS)["parameters"]
            assert call(client, admin.CLIENTS)["parameters"]["clients"]
            errors = {call(client, method, **given).get("error", "") for method, given in CHANGES}
        os.write(writer, json.dumps(sorted(errors)).encode())
        return 0

    pid = fork(run)
    os.close(writer)
    with os.fdopen(reader) as answer:
        said = answer.read()
    wait_for("the user's process to end", lambda: os.waitpid(pid, os.WNOHANG)[0])
    return set(json.loads(said))


@pytest.mark.skipif(os.getuid() != 0, reason="becomes other users")
@pytest.mark.parametrize(
    ("uid", "gid", "groups", "may"),
    [
        (1001, 1001, [], False),
        (1001, 1001, [OTHER], False),
        (1001, 1001, [OTHER, GROUP], True),
        (1001, GROUP, [], True),
        (0, 0, [], True),
    ],
)
def test_only_root_and_the_group_may_change_something(
    served: Served, uid: int, gid: int, groups: list[int], may: bool
) -> None:
    expected = {"", admin.NO_SUCH_CLIENT} if may else {f"{SERVICE}.PermissionDenied"}
    assert as_user(served, uid, gid, groups) == expected


def test_introspection_shows_both_interfaces(served: Served) -> None:
    info = ask(served, f"{SERVICE}.GetInfo")["parameters"]
    assert info["interfaces"] == [SERVICE, interface.NAME, admin.ADMIN]
    shown = ask(served, f"{SERVICE}.GetInterfaceDescription", interface=admin.ADMIN)["parameters"]
    assert "method Disconnect" in shown["description"]
