"""`Monitor` and `Wait` against a real service: what comes, in which order, and when it ends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.api import admin_interface, client, exchange
from leasewatch.api.interface import MonitorReply, WaitParameters, WaitReply
from tests.leasewatch.serving import Dnsmasq, Served
from tests.waiting import wait_for

SECONDS = 60


class Network:
    """A service, and the dnsmasq whose leases it reads."""

    def __init__(self, root: Path) -> None:
        self.served = Served(root)
        self.dnsmasq = Dnsmasq(self.served.leases / "lab")
        self.path = self.served.paths.varlink

    def lease(self, number: int, name: str, expires: int | None = None) -> None:
        self.dnsmasq.lease(number, name, expires)
        self.dnsmasq.rewrite()

    def release(self, name: str) -> None:
        del self.dnsmasq.lines[name]
        self.dnsmasq.rewrite()

    def watch(self, since: int | None = None) -> Iterator[MonitorReply]:
        return client.monitor(self.path, since, SECONDS)


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    made = Network(tmp_path)
    made.lease(1, "web1")
    made.served.start()
    yield made
    made.dnsmasq.close()
    made.served.close()


def shown(reply: MonitorReply) -> tuple[str, str | None, str | None]:
    entry = reply.entry
    return (reply.kind, entry.name, entry.address) if entry else (reply.kind, None, None)


def test_a_watcher_gets_what_is_there_and_then_each_event(network: Network) -> None:
    network.lease(9, "*")
    network.served.rescan()
    watching = network.watch()
    first = [next(watching) for _ in range(3)]
    assert sorted(map(shown, first[:2]), key=str) == [
        ("snapshot", "web1", "10.0.0.1"),
        ("snapshot", None, "10.0.0.9"),
    ]
    assert first[2].kind == "synced"

    network.lease(2, "web2")
    added = next(watching)
    assert shown(added) == ("added", "web2", "10.0.0.2")
    assert added.number == first[2].number + 1
    assert added.first_seen is not None
    assert network.served.answer("web2") == ["10.0.0.2"]  # it was published before

    network.lease(2, "web2", network.dnsmasq.expires + 100)
    assert shown(next(watching)) == ("renewed", "web2", "10.0.0.2")

    network.release("web2")
    gone = next(watching)
    assert shown(gone) == ("removed", "web2", "10.0.0.2")
    assert gone.entry is not None
    assert (gone.entry.verdict, gone.entry.reason) == ("ended", "the lease was given back")

    network.release("*")
    assert shown(next(watching)) == ("removed", None, "10.0.0.9")


def test_each_event_that_a_watcher_gets_is_counted(network: Network) -> None:
    watching = [network.watch(), network.watch()]
    for one in watching:
        assert [next(one).kind for _ in range(2)] == ["snapshot", "synced"]
    network.lease(2, "web2")
    for one in watching:
        assert shown(next(one)) == ("added", "web2", "10.0.0.2")
    asked = json.dumps({"method": admin_interface.STATUS}).encode()
    (status,) = exchange.replies(str(network.path), asked)
    assert status["counters"]["events"] == len(watching)


def test_a_lease_that_loses_its_name_to_a_newer_one_has_changed(network: Network) -> None:
    watching = network.watch()
    assert [next(watching).kind for _ in range(2)] == ["snapshot", "synced"]
    network.dnsmasq.lines["other"] = network.dnsmasq.lines["web1"].replace(
        "01 10.0.0.1", "07 10.0.0.7"
    )
    network.dnsmasq.rewrite()
    events = {shown(event): event for event in (next(watching), next(watching))}
    assert events.keys() == {("changed", "web1", "10.0.0.1"), ("added", "web1", "10.0.0.7")}
    changed = events["changed", "web1", "10.0.0.1"].entry
    assert changed is not None
    assert changed.verdict == "conflict"


def test_a_watcher_goes_on_where_it_was(network: Network) -> None:
    watching = network.watch()
    (*_, synced) = (next(watching) for _ in range(2))
    watching.close()  # type: ignore[attr-defined]
    network.lease(2, "web2")
    network.served.await_answer("web2", "10.0.0.2")
    resumed = network.watch(synced.number)
    assert [shown(next(resumed)) for _ in range(2)] == [
        ("resumed", None, None),
        ("added", "web2", "10.0.0.2"),
    ]


@pytest.mark.parametrize("since", [0, 1 << 60, -1])
def test_a_number_that_the_service_does_not_know_gets_a_snapshot(
    network: Network, since: int
) -> None:
    watching = network.watch(since)
    assert [next(watching).kind for _ in range(2)] == ["snapshot", "synced"]


def test_a_number_of_an_earlier_service_gets_a_snapshot(network: Network) -> None:
    watching = network.watch()
    synced = [next(watching) for _ in range(2)][1]
    network.served.stop()
    with pytest.raises(client.NoServiceError):
        next(watching)
    network.served.start()
    again = network.watch(synced.number)
    replies = [next(again) for _ in range(2)]
    assert [reply.kind for reply in replies] == ["snapshot", "synced"]
    assert replies[1].number > synced.number


def test_watching_ends_in_time(network: Network) -> None:
    replies = list(client.monitor(network.path, timeout=0.5))
    assert [reply.kind for reply in replies] == ["snapshot", "synced"]


class Waiting(threading.Thread):
    """A call of `Wait` in a thread."""

    def __init__(self, network: Network, asked: WaitParameters) -> None:
        super().__init__()
        self.reply: WaitReply | None = None
        self._path = network.path
        self._asked = asked
        self.start()

    def run(self) -> None:
        self.reply = client.wait(self._path, self._asked)

    def met(self) -> WaitReply:
        self.join(SECONDS)
        assert self.reply is not None
        assert self.reply.met
        return self.reply


def asked(name: str, **other: object) -> WaitParameters:
    return WaitParameters(name=name, **{"timeout": SECONDS, **other})  # type: ignore[arg-type]


def test_what_is_there_is_answered_at_once(network: Network) -> None:
    reply = client.wait(network.path, asked("WEB1.", timeout=0))
    assert (reply.met, reply.name) == (True, "web1")
    assert [address.address for address in reply.addresses] == ["10.0.0.1"]


@pytest.mark.parametrize("name", ["web2", "web2.lab.internal"])
def test_a_name_is_waited_for(network: Network, name: str) -> None:
    waiting = Waiting(network, asked(name, what="ipv4"))
    network.lease(3, "other")
    network.served.await_answer("other", "10.0.0.3")
    assert waiting.reply is None
    network.lease(2, "web2")
    assert [address.address for address in waiting.met().addresses] == ["10.0.0.2"]


def test_the_end_of_a_name_is_waited_for(network: Network) -> None:
    waiting = Waiting(network, asked("web1", what="gone"))
    network.lease(2, "web2")
    network.served.await_answer("web2", "10.0.0.2")
    assert waiting.reply is None
    network.release("web1")
    assert waiting.met().addresses == []


def test_only_a_lease_that_was_renewed_since_counts(network: Network) -> None:
    now = time.time()
    waiting = Waiting(network, asked("web1", after=now))
    network.lease(2, "web2")
    network.served.await_answer("web2", "10.0.0.2")
    assert waiting.reply is None
    network.lease(1, "web1", network.dnsmasq.expires + 100)
    assert [address.address for address in waiting.met().addresses] == ["10.0.0.1"]


@pytest.mark.parametrize(
    ("name", "what", "verdicts"),
    [("web1", "ipv6", ["published"]), ("wpad", "address", ["refused"]), ("none", "ipv4", [])],
)
def test_when_the_time_is_over_it_says_what_is_there(
    network: Network, name: str, what: str, verdicts: list[str]
) -> None:
    network.lease(5, "wpad")
    wait_for("the lease", lambda: len(client.list_entries(network.path).entries) == 2)
    reply = client.wait(network.path, asked(name, what=what, timeout=0.1))
    assert not reply.met
    assert [entry.verdict for entry in reply.candidates] == verdicts
