"""The service and its history: restarts, kills, damage, and those who ask."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import threading
import time
from contextlib import closing, suppress

import pytest

from leasewatch.api import client as varlink_client
from leasewatch.api import interface
from leasewatch.api.client import NoHistoryError
from leasewatch.history import rows
from leasewatch.history.rows import Event, HistoryParameters, Holding
from tests.leasewatch.histories import CLAIMS_1, write_version_1
from tests.leasewatch.leasing import WALL
from tests.leasewatch.serving import Dnsmasq, Served
from tests.waiting import wait_for

PATIENT = 60.0


def holdings(served: Served, query: str | None = None) -> list[Holding]:
    """As the service answers, the oldest first; none while it cannot be read."""
    asked = HistoryParameters(query=query)
    with suppress(NoHistoryError):
        return varlink_client.history(served.paths.varlink, asked, PATIENT).holdings[::-1]
    return []


def events(served: Served, query: str | None = None) -> list[Event]:
    """Likewise."""
    asked = HistoryParameters(query=query)
    with suppress(NoHistoryError):
        return varlink_client.events(served.paths.varlink, asked, PATIENT).events[::-1]
    return []


def await_held(served: Served, *addresses: str) -> None:
    """Wait until these are what the history says to hold now."""
    wait_for(
        f"the history to have {addresses}; service: {served.said()}",
        lambda: {h.address for h in holdings(served) if h.until is None} == set(addresses),
    )


def test_it_answers_who_an_address_was(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(5, "web1")
    dnsmasq.rewrite()
    served.start()
    await_held(served, "10.0.0.5")
    dnsmasq.lines.clear()
    dnsmasq.rewrite()
    served.await_answer("web1")
    await_held(served)
    dnsmasq.lines["db"] = f"{dnsmasq.expires} 52:54:00:00:00:99 10.0.0.5 db *\n"
    dnsmasq.rewrite()
    await_held(served, "10.0.0.5")
    first, second = holdings(served, "10.0.0.5")
    assert (first.name, first.mac, first.ended) == ("web1", "52:54:00:00:00:05", "released")
    assert (second.name, second.mac, second.until) == ("db", "52:54:00:00:00:99", None)
    assert first.until is not None
    assert first.since <= first.until <= second.since <= time.time()
    assert [e.kind for e in events(served, "10.0.0.5")] == ["added", "released", "added"]


def test_a_renewal_makes_no_event_and_a_refusal_makes_one(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(5, "wpad")
    dnsmasq.rewrite()
    served.start()
    wait_for("the refusal", lambda: len(events(served)) == 2)
    for minute in range(1, 6):
        dnsmasq.lease(5, "wpad", dnsmasq.expires + 60 * minute)
        dnsmasq.rewrite()
        ends = dnsmasq.expires + 60 * minute
        wait_for("the renewal", lambda: {h.expires for h in holdings(served)} == {ends})  # noqa: B023
    assert [(e.kind, e.name) for e in events(served)] == [("added", None), ("refused", "wpad")]


def test_a_guest_that_renames_itself_all_the_time_fills_neither_the_log_nor_the_history(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    dnsmasq.lease(5, "web1")
    dnsmasq.rewrite()
    served.start()
    await_held(served, "10.0.0.5")
    mac = "52:54:00:00:00:66"
    for number in range(400):
        dnsmasq.lines["busy"] = f"{dnsmasq.expires} {mac} 10.0.0.66 ip6-{number} *\n"
        dnsmasq.rewrite()
        time.sleep(0.003)
    dnsmasq.lease(6, "web2")
    dnsmasq.rewrite()
    await_held(served, "10.0.0.5", "10.0.0.6", "10.0.0.66")
    served.stop()
    assert 1 < served.said().count("claim refused") < 20
    with closing(sqlite3.connect(served.paths.history)) as file:
        rows = file.execute("SELECT hostname, until FROM holding WHERE mac = ? ORDER BY id", (mac,))
        found = rows.fetchall()
    assert 1 < len(found) < 30
    assert found[-1] == ("ip6-399", None)


def test_who_claimed_a_name_first_is_known_after_a_restart(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    served.start()
    for number in (1, 2):  # the second claims it later: it is the second's
        dnsmasq.lines[f"guest {number}"] = (
            f"{dnsmasq.expires} 52:54:00:00:00:0{number} 10.0.0.{number} web1 *\n"
        )
        dnsmasq.rewrite()
        served.await_answer("web1", f"10.0.0.{number}")
    # The first renews, so only the file shows that the second is older.
    dnsmasq.lines["guest 1"] = f"{dnsmasq.expires + 600} 52:54:00:00:00:01 10.0.0.1 web1 *\n"
    dnsmasq.rewrite()
    await_held(served, "10.0.0.1", "10.0.0.2")
    renewed = dnsmasq.expires + 600
    wait_for("the renewal", lambda: renewed in {h.expires for h in holdings(served)})
    before = events(served)
    for number in (signal.SIGTERM, signal.SIGKILL):
        served.stop(number)
        served.start()
        assert served.answer("web1") == ["10.0.0.2"]
        assert events(served) == before
    served.stop()
    served.paths.history.unlink()
    served.start()
    assert served.answer("web1") == ["10.0.0.1"]  # nothing but the history knew


def test_what_ended_while_it_was_down_is_closed_and_what_holds_is_not_added_again(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    for number in range(1, 401):
        dnsmasq.lease(number, f"vm{number}")
    dnsmasq.lease(401, "brief", int(time.time()) + 10)
    dnsmasq.rewrite()
    served.start()
    wait_for("the leases", lambda: len(holdings(served)) == 401)
    served.stop()
    brief = int(dnsmasq.lines.pop("brief").split()[0])
    dnsmasq.lines.pop("vm7")
    dnsmasq.rewrite()
    wait_for("the brief lease to end", lambda: time.time() > brief + 1)
    served.start()
    wait_for("two more events", lambda: len(events(served)) == 403)
    ended = {h.name: h for h in holdings(served) if h.until is not None}
    assert {name: h.ended for name, h in ended.items()} == {"brief": "expired", "vm7": "missed"}
    assert ended["brief"].until == float(brief)


def test_a_kill_at_any_moment_loses_the_last_batch_at_most(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    served.start()
    seen = 0
    for turn in range(5):
        deadline = time.monotonic() + 1.2 + 0.13 * turn
        while time.monotonic() < deadline or not (served.answer("vm1") and holdings(served)):
            assert time.monotonic() < deadline + 60, served.said()
            seen += 1
            dnsmasq.lease(seen, f"vm{seen}")
            dnsmasq.rewrite()
            time.sleep(0.02)
        published = sum(bool(served.answer(f"vm{number}")) for number in range(1, seen + 1))
        told = len(holdings(served))
        served.stop(signal.SIGKILL)
        with closing(sqlite3.connect(served.paths.history)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            (kept,) = db.execute("SELECT count(*) FROM holding").fetchone()
            (numbers,) = db.execute("SELECT count(DISTINCT seq) FROM event").fetchone()
        assert told <= kept <= seen
        assert numbers == kept
        assert published > 0
        served.start()
        wait_for("what was missed", lambda: len(holdings(served)) == seen)  # noqa: B023
    assert "damaged" not in served.said()


def test_the_history_of_the_former_version_goes_on(served: Served, dnsmasq: Dnsmasq) -> None:
    write_version_1(served.paths.history)
    dnsmasq.lease(1, "vm1")
    dnsmasq.rewrite()
    served.start()
    await_held(served, "10.0.0.1")
    found = [(h.address, h.claim, h.since, h.ended) for h in holdings(served)]
    ended = {"10.0.0.1": None, "10.0.0.2": "missed", "10.0.0.3": "missed"}
    assert found == [(at, claim, WALL, ended[at]) for at, claim in CLAIMS_1.items()]
    assert "damaged" not in served.said()


def test_a_damaged_history_is_set_aside_and_the_names_go_on(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    dnsmasq.lease(5, "web1")
    dnsmasq.rewrite()
    served.paths.history.parent.mkdir(parents=True)
    served.paths.history.write_bytes(os.urandom(40_000))
    served.start()
    assert served.answer("web1") == ["10.0.0.5"]
    served.await_said("history is damaged, renamed")
    await_held(served, "10.0.0.5")
    (kept,) = served.paths.history.parent.glob("history.db.damaged-*")
    assert f"path={kept}" in served.said()


def test_names_work_without_a_history_and_queries_of_it_get_the_reason(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    dnsmasq.lease(5, "web1")
    dnsmasq.rewrite()
    served.paths.history.parent.parent.mkdir(parents=True)
    served.paths.history.parent.touch()
    served.start()
    served.await_said("history is not written, trying again")
    assert served.answer("web1") == ["10.0.0.5"]
    with pytest.raises(NoHistoryError, match="the history is not written: ") as raised:
        varlink_client.history(served.paths.varlink, HistoryParameters(), PATIENT)
    assert "journalctl" in raised.value.hint
    served.stop()
    assert served.said().count("history is not written") == 1


def test_a_host_where_nothing_has_happened_has_a_history_of_nothing(served: Served) -> None:
    served.start()
    assert varlink_client.history(served.paths.varlink, HistoryParameters(), PATIENT).holdings == []
    assert varlink_client.events(served.paths.varlink, HistoryParameters(), PATIENT).events == []


def test_the_settings_switch_it_off(served: Served, dnsmasq: Dnsmasq) -> None:
    dnsmasq.lease(5, "web1")
    dnsmasq.rewrite()
    settings = served.paths.config.read_text()
    served.settings(settings + "[history]\nenabled = false\n")
    served.start()
    assert served.answer("web1") == ["10.0.0.5"]
    with pytest.raises(NoHistoryError, match="not written: the settings disable it"):
        varlink_client.history(served.paths.varlink, HistoryParameters(), PATIENT)
    served.settings(settings)
    served.rescan()
    await_held(served, "10.0.0.5")
    assert "history" not in served.said()


def ask(served: Served, **call: object) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(30)
        client.connect(str(served.paths.varlink))
        client.sendall(json.dumps(call).encode() + b"\0")
        received = b""
        while not received.endswith(b"\0") and (piece := client.recv(65536)):
            received += piece
    return received


@pytest.mark.parametrize("method", [interface.HISTORY, interface.EVENTS])
@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"limit": -1}, "limit"),
        ({"limit": rows.MAX_ROWS + 1}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"query": 5}, "query"),
        ([], "query"),
    ],
    ids=repr,
)
def test_a_wrong_question_gets_varlinks_own_error(
    served: Served, method: str, parameters: object, fault: str
) -> None:
    served.start()
    reply = json.loads(ask(served, method=method, parameters=parameters)[:-1])
    assert reply == {
        "error": "org.varlink.service.InvalidParameter",
        "parameters": {"parameter": fault},
    }


@pytest.mark.parametrize(
    ("method", "key"), [(interface.HISTORY, "holdings"), (interface.EVENTS, "events")]
)
def test_nothing_known_is_an_empty_list(
    served: Served, dnsmasq: Dnsmasq, method: str, key: str
) -> None:
    dnsmasq.lease(5, "web1")
    dnsmasq.rewrite()
    served.start()
    await_held(served, "10.0.0.5")
    reply = json.loads(ask(served, method=method, parameters={"query": "nobody"})[:-1])
    assert reply == {"parameters": {key: []}}


def test_peers_that_ask_for_everything_and_never_read_delay_no_other(
    served: Served, dnsmasq: Dnsmasq
) -> None:
    for number in range(1, 6001):
        dnsmasq.lease(number, f"vm{number}")
    dnsmasq.rewrite()
    served.start()
    wait_for("the leases", lambda: len(holdings(served)) == 6000, 30)
    crowd: list[socket.socket] = []
    try:
        for method in [interface.HISTORY, interface.EVENTS] * 5:
            client = socket.socket(socket.AF_UNIX)
            crowd.append(client)
            client.connect(str(served.paths.varlink))
            client.sendall(json.dumps({"method": method}).encode() + b"\0")
        dnsmasq.lease(6001, "late")
        dnsmasq.rewrite()
        served.await_answer("late", "10.0.23.113")
        wait_for("it to be written", lambda: holdings(served, "late"), 30)
        assert len(holdings(served)) == 6001
    finally:
        for client in crowd:
            client.close()
    assert "Traceback" not in served.said()
    assert threading.active_count() == 1
