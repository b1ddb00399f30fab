"""A domain is started and looked up: the service and the module together, without root."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from leasewatch.model import DomainState, Nic
from nss_pyvirt import snapshot
from tests.csrc.glibc import ask, build
from tests.leasewatch.serving import Dnsmasq, Served
from tests.waiting import wait_for


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("glibc"))


@pytest.fixture
def served(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """One that the module in this process' children asks."""
    monkeypatch.setenv("PYVIRT_SERVICE", str(served.paths.pending))
    return served


def start_domain(served: Served, seconds: int = 60) -> Path:
    """What `pyvirt domain start db1` does before QEMU runs, and until it returns."""
    now = time.time()
    state = DomainState(
        name="db1",
        nics=(Nic("lab", "52:54:00:00:00:01"),),
        pid=1,
        started=now,
        pending_until=int(now) + seconds,
    )
    path = served.domain(state)
    wait_for("db1 to be pending", lambda: served.status("db1") == "not yet")
    return path


class LookUp:
    """getaddrinfo("db1") in a process of its own."""

    def __init__(
        self, served: Served, folder: Path, question: str = "'db1', socket.AF_INET"
    ) -> None:
        self.answers: list[object] = []

        def run() -> None:
            line, path = "pyvirt [TRYAGAIN=return] files", served.paths.snapshot
            self.answers.append(ask(folder, f"show(gai({question}))", line, path))

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def answer(self) -> object:
        self._thread.join(40)
        return self.answers[0]


def wait_for_waiters(served: Served, count: int) -> None:
    """Wait until so many connections are open at the service's end of the socket."""
    path = str(served.paths.pending)

    def connected() -> bool:
        rows = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        return sum(row[-1] == path and row[5] == "03" for row in rows) == count

    wait_for(f"{count} waiting lookups", connected)


@pytest.mark.parametrize("question", ["'db1'", "'db1', socket.AF_INET", "'DB1.lab.internal.'"])
def test_a_look_up_waits_for_the_lease_and_has_its_address(
    served: Served, folder: Path, dnsmasq: Dnsmasq, question: str
) -> None:
    served.start()
    start_domain(served)
    look_up = LookUp(served, folder, question)
    wait_for_waiters(served, 1)
    assert look_up.answers == []
    dnsmasq.lease(1, "fedora")
    dnsmasq.rewrite()
    assert look_up.answer() == [[["10.0.0.1"]], ""]
    wait_for_waiters(served, 0)


def test_a_domain_that_ends_frees_its_waiters(served: Served, folder: Path) -> None:
    served.start()
    state = start_domain(served)
    look_ups = [LookUp(served, folder) for _ in range(3)]
    wait_for_waiters(served, 3)
    state.unlink()
    assert [look_up.answer() for look_up in look_ups] == [socket.EAI_NONAME] * 3
    wait_for_waiters(served, 0)


def test_after_pending_until_the_name_is_unknown(served: Served, folder: Path) -> None:
    served.start()
    start_domain(served, seconds=5)
    assert LookUp(served, folder).answer() == socket.EAI_NONAME
    assert served.status("db1") == "unknown"


def test_a_wait_that_was_too_short_is_a_temporary_failure(served: Served, folder: Path) -> None:
    served.settings("[names]\npending_wait = 1\n")
    served.start()
    start_domain(served)
    assert LookUp(served, folder).answer() == socket.EAI_AGAIN


def test_a_service_that_stops_frees_its_waiters(served: Served, folder: Path) -> None:
    served.start()
    start_domain(served)
    look_up = LookUp(served, folder)
    wait_for_waiters(served, 1)
    served.stop()
    assert look_up.answer() == socket.EAI_AGAIN
    assert LookUp(served, folder).answer() == socket.EAI_AGAIN


def test_a_reload_changes_how_long_look_ups_wait(served: Served) -> None:
    served.start()
    assert snapshot.check(served.paths.snapshot).pending_wait == 20_000
    served.settings("[names]\npending_wait = 0\n")
    served.rescan()
    wait_for(
        "the table to say so",
        lambda: snapshot.check(served.paths.snapshot).pending_wait == 0,
    )
