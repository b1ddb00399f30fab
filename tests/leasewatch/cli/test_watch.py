"""`leasewatch watch` and `history --follow`: real commands beside a service whose leases change."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest

from leasewatch.paths import Paths
from tests.leasewatch.cli.asking import STARTS, run
from tests.leasewatch.serving import Dnsmasq, Served

SECONDS = 60
PROGRAM = (
    "import sys; from pathlib import Path; from leasewatch.cli.leasewatch import main;"
    "from leasewatch.paths import Paths; sys.exit(main(sys.argv[2:], Paths(Path(sys.argv[1]))))"
)


class Watching:
    """A command that goes on until the end of the test."""

    def __init__(self, paths: Paths, *words: str) -> None:
        command = [sys.executable, "-c", PROGRAM, str(paths.root), *words]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"TZ": "UTC"},
        )
        self._threads: list[threading.Thread] = []
        self._out, self._err = self._lines(self.process.stdout), self._lines(self.process.stderr)

    def _lines(self, stream: IO[str] | None) -> queue.Queue[str]:
        lines: queue.Queue[str] = queue.Queue()
        assert stream is not None
        thread = threading.Thread(target=lambda: [*map(lines.put, stream)])
        thread.start()
        self._threads.append(thread)
        return lines

    def line(self) -> str:
        return self._out.get(timeout=SECONDS).rstrip("\n")

    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.line())
        return found

    def note(self) -> str:
        return self._err.get(timeout=SECONDS).rstrip("\n")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


Start = Callable[..., Watching]


@pytest.fixture
def start(served: Served, dnsmasq: Dnsmasq) -> Iterator[Start]:
    """Starts a command; web1 has a lease."""
    dnsmasq.lease(1, "web1")
    dnsmasq.rewrite()
    served.start()
    started: list[Watching] = []

    def begin(*words: str) -> Watching:
        started.append(Watching(served.paths, *words))
        return started[-1]

    yield begin
    for watching in started:
        watching.close()


def test_people_see_a_line_for_each_event(start: Start, dnsmasq: Dnsmasq) -> None:
    watching = start("watch")
    assert watching.note() == "leasewatch: waiting for events; Ctrl-C ends it"
    dnsmasq.lease(2, "web2")
    dnsmasq.rewrite()
    assert watching.line().split()[1:] == ["added", "web2", "lab", "10.0.0.2", "published"]
    del dnsmasq.lines["web2"]
    dnsmasq.lease(3, "wpad")
    dnsmasq.rewrite()
    lines = {line.split()[1]: line.split()[2:] for line in (watching.line(), watching.line())}
    assert lines["removed"] == [
        "web2",
        "lab",
        *["10.0.0.2", "the", "lease", "was", "given", "back"],
    ]
    assert lines["added"][:4] == ["wpad", "lab", "10.0.0.3", "refused:"]
    watching.process.send_signal(signal.SIGINT)
    assert watching.process.wait(SECONDS) == 130


def test_programs_get_json_lines_and_go_on_where_they_were(start: Start, dnsmasq: Dnsmasq) -> None:
    watching = start("watch", "-o", "jsonl")
    snapshot, synced = watching.event(), watching.event()
    assert (snapshot["event"], snapshot["name"]) == ("snapshot", "web1")
    assert (snapshot["state"], snapshot["from"]) == ("published", "lease")
    assert synced.keys() == {"schema", "number", "event", "time"}
    dnsmasq.lease(2, "web2")
    dnsmasq.rewrite()
    added = watching.event()
    assert (added["event"], added["name"], added["schema"]) == ("added", "web2", 1)
    again = start("watch", "-o", "jsonl", "--since", str(synced["number"]))
    assert [again.event()["event"], again.event()] == ["resumed", added]


def test_it_outlives_the_service_and_says_so(
    start: Start, served: Served, dnsmasq: Dnsmasq
) -> None:
    watching = start("watch", "-o", "jsonl")
    assert [watching.event()["event"] for _ in range(2)] == ["snapshot", "synced"]
    served.stop()
    assert json.loads(watching.note()) == {"note": "the service has gone, waiting for it"}
    dnsmasq.lease(2, "web2")
    dnsmasq.rewrite()
    served.start()
    events = [watching.event() for _ in range(3)]
    assert {event.get("name") for event in events} == {"web1", "web2", None}
    assert [event["event"] for event in events] == ["snapshot", "snapshot", "synced"]
    assert "answers again" in watching.note()


def test_the_history_is_followed(start: Start, served: Served, dnsmasq: Dnsmasq) -> None:
    served.await_answer("web1", "10.0.0.1")
    watching = start("history", "web2", "--follow", "-o", "jsonl")
    shown = start("history", "--follow")
    assert shown.line().split()[1:5] == ["added", "web1", "lab", "10.0.0.1"]
    dnsmasq.lease(2, "web2")
    dnsmasq.rewrite()
    assert shown.line().split()[1:5] == ["added", "web2", "lab", "10.0.0.2"]
    event = watching.event()
    assert (event["event"], event["name"], event["schema"]) == ("added", "web2", 1)
    del dnsmasq.lines["web2"]
    dnsmasq.rewrite()
    assert watching.event()["event"] == "released"


@pytest.mark.parametrize("words", [("watch",), ("history", "--follow")])
def test_without_a_service_there_is_nothing_to_follow(
    paths: Paths, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, err = run(paths, capsys, *words)
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "leasewatch: the leasewatch service is not running"
    assert err.splitlines()[1] in STARTS


@pytest.mark.parametrize(
    "words",
    [
        ("watch", "--since", "-1"),
        ("watch", "--since", "web1"),
        ("watch", "--since", str(2**63)),
        ("watch", "-o", "json"),
        ("watch", "web1"),
        ("history", "--follow", "-o", "json"),
        ("history", "--follow", "-o", "csv"),
        ("history", "-f", "-o", "name"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_followed_is_wrong_usage(
    paths: Paths, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    code, out, err = run(paths, capsys, *words)
    assert (code, out) == (2, "")
    assert err
