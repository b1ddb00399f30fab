"""`leasewatch wait`, `ip --wait` and the service: a lease file changes, and a command returns."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

import msgspec
import pytest

from leasewatch.api import exchange, interface
from leasewatch.model import DomainState, Nic
from leasewatch.paths import Paths
from leasewatch.reach import addresses
from tests.leasewatch.cli.asking import STARTS, run
from tests.leasewatch.serving import Dnsmasq, Served

LONG = "60s"


@pytest.fixture
def lab(served: Served, dnsmasq: Dnsmasq) -> Served:
    """A served network whose only lease is db1's."""
    dnsmasq.lease(1, "db1")
    dnsmasq.rewrite()
    served.start()
    return served


@contextmanager
def soon(act: Callable[[], object], seconds: float = 0.3) -> Iterator[None]:
    """Do something while the block waits."""
    timer = threading.Timer(seconds, act)
    timer.start()
    try:
        yield
    finally:
        timer.join(60)


def _lease(dnsmasq: Dnsmasq, later: int = 0) -> None:
    """The lease of web1, for an hour or some seconds more."""
    dnsmasq.lease(2, "web1", dnsmasq.expires + later)
    dnsmasq.rewrite()


def _started(*, ago: float = 0.0) -> DomainState:
    nic = Nic("lab", "52:54:00:00:00:02")
    now = time.time()
    return DomainState(
        name="web1", nics=(nic,), pid=os.getpid(), started=now - ago, pending_until=int(now) + 60
    )


def test_it_returns_when_the_lease_comes(
    lab: Served, dnsmasq: Dnsmasq, capsys: pytest.CaptureFixture[str]
) -> None:
    with soon(lambda: _lease(dnsmasq)):
        code, out, err = run(lab.paths, capsys, "wait", "db1", "web1", "--timeout", LONG)
    assert (code, out, err) == (0, "db1 has 10.0.0.1\nweb1 has 10.0.0.2\n", "")


def test_it_returns_when_the_name_is_gone(
    lab: Served, dnsmasq: Dnsmasq, capsys: pytest.CaptureFixture[str]
) -> None:
    def release() -> None:
        dnsmasq.lines.clear()
        dnsmasq.rewrite()

    with soon(release):
        done = run(lab.paths, capsys, "wait", "db1", "--for=gone", "--timeout", LONG)
    assert done == (0, "db1 is gone\n", "")
    assert run(lab.paths, capsys, "wait", "web9", "--for=gone") == (0, "web9 is gone\n", "")


def test_ip_waits_for_the_first_address(
    lab: Served, dnsmasq: Dnsmasq, capsys: pytest.CaptureFixture[str]
) -> None:
    with soon(lambda: _lease(dnsmasq)):
        assert run(lab.paths, capsys, "ip", "web1", "--wait") == (0, "10.0.0.2\n", "")
    code, out, err = run(lab.paths, capsys, "ip", "-6", "--wait=0", "web1")
    assert (code, out) == (4, "")
    assert err == "leasewatch: timed out waiting for web1: it has 10.0.0.2, and no IPv6 address\n"


def test_only_a_lease_from_after_the_start_counts_if_that_is_asked_for(
    lab: Served, dnsmasq: Dnsmasq, capsys: pytest.CaptureFixture[str]
) -> None:
    _lease(dnsmasq)
    lab.await_answer("web1", "10.0.0.2")
    lab.domain(_started())
    words = ("wait", "web1", "--after=start")
    code, _, err = run(lab.paths, capsys, *words, "--timeout", "0")
    assert code == 4
    reasons = "domain web1 has not renewed this lease since its start (10.0.0.2)", "from before"
    assert any(reason in err for reason in reasons), err  # the service may not know the start yet

    with soon(lambda: _lease(dnsmasq, 60)):
        assert run(lab.paths, capsys, *words, "--timeout", LONG)[0] == 0


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (["web9"], 3, 'no host has the name or address "web9"'),
        (
            ["db1", "--for=ipv6"],
            4,
            "timed out waiting for db1: it has 10.0.0.1, and no IPv6 address",
        ),
        (["db1", "--for=gone"], 4, "timed out waiting for db1: it still has 10.0.0.1"),
        (["web1"], 4, "timed out waiting for web1: it sends, but has no lease"),
        (["web2"], 4, "timed out waiting for web2: the domain is not running"),
        (["web2", "--after=start"], 1, 'no running domain of pyvirt is called "web2"'),
        (["../web1"], 3, 'no host has the name or address "../web1"'),
    ],
)
def test_what_was_seen_last_is_said_when_the_time_is_over(
    lab: Served, capsys: pytest.CaptureFixture[str], words: list[str], code: int, what: str
) -> None:
    lab.domain(_started())
    lab.paths.domain_definitions.mkdir(parents=True)
    (lab.paths.domain_definitions / "web2.toml").touch()
    found, out, err = run(lab.paths, capsys, "wait", *words, "--timeout", "0")
    assert (found, out) == (code, "")
    assert what in err.splitlines()[0]


def test_a_lease_from_before_a_time_does_not_count(
    lab: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("wait", "db1", "--timeout", "0", "--after")
    assert run(lab.paths, capsys, *words, "2h")[0] == 0
    code, _, err = run(lab.paths, capsys, *words, "0s")
    assert (code, err) == (4, "leasewatch: timed out waiting for db1: 10.0.0.1 is from before\n")


def test_what_dnsmasq_said_of_the_card_is_said(
    lab: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.domain(_started())
    log = lab.paths.network_runs / "lab/dnsmasq.log"
    log.parent.mkdir(parents=True)
    said = "DHCPDISCOVER(pv-lab) 52:54:00:00:00:02 no address available"
    log.write_text(f"dnsmasq-dhcp: {said}\ndnsmasq-dhcp: of another\n")
    _, _, err = run(lab.paths, capsys, "wait", "web1", "--timeout", "0")
    assert err == f"leasewatch: timed out waiting for web1: no lease; dnsmasq last said: {said}\n"


def test_only_a_domain_that_boots_is_waited_for_if_that_is_asked_for(
    lab: Served, dnsmasq: Dnsmasq, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("wait", "--booting", "--timeout", "90s")
    assert run(lab.paths, capsys, *words, "db1", "web1", "web9") == (0, "", "")
    lab.domain(_started(ago=91))
    assert run(lab.paths, capsys, *words, "web1") == (0, "", "")
    lab.domain(_started())

    with soon(lambda: _lease(dnsmasq)):
        assert run(lab.paths, capsys, *words, "web1") == (0, "web1 has 10.0.0.2\n", "")


def test_it_goes_on_when_the_service_restarts(
    lab: Served,
    dnsmasq: Dnsmasq,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(addresses, "_RESTART", 60)

    def restart() -> None:
        lab.stop()
        _lease(dnsmasq)
        lab.start()

    with soon(restart):
        assert run(lab.paths, capsys, "wait", "web1", "--timeout", LONG)[0] == 0


def test_without_the_service_it_says_how_to_start_it(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("wait", "web1", "--timeout", "0"), ("ip", "web1", "--wait=0")):
        code, out, err = run(paths, capsys, *words)
        what, hint = err.splitlines()
        assert (code, out, what) == (1, "", "leasewatch: the leasewatch service is not running")
        assert hint in STARTS


def test_json_has_the_facts(lab: Served, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(lab.paths, capsys, "wait", "db1", "-o", "json")
    done = {"name": "db1", "addresses": ["10.0.0.1"], "done": "db1 has 10.0.0.1"}
    assert msgspec.json.decode(out) == done
    code, _, err = run(lab.paths, capsys, "wait", "web9", "--timeout=0", "-o", "json")
    assert (code, msgspec.json.decode(err)["error"]["code"]) == (3, "not-found")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([], "NAME... is missing"),
        (["web1", "--for=lease"], '"lease" is not address, ipv4, ipv6, gone or tcp:PORT'),
        (["web1", "--for=tcp:"], '"tcp:" is not address'),
        (["web1", "--for=udp:53"], '"udp:53" is not address'),
        (["web1", "--for=tcp:0"], '"0" is not a whole number from 1 to 65535'),
        (["web1", "--for=tcp:ssh"], '"ssh" is not a whole number from 1 to 65535'),
        (["web1", "--timeout=soon"], '"soon" is not a time like 90s, 2m or 1h'),
        (["web1", "--after=boot"], '"boot": not a time like 2h'),
        (["web1", "--after=2999-01-01"], "that is in the future"),
        (["web\udcff1", "--timeout=0"], "the name is not UTF-8"),
    ],
)
def test_wrong_words_are_one_line(
    paths: Paths, capsys: pytest.CaptureFixture[str], words: list[str], what: str
) -> None:
    code, out, err = run(paths, capsys, "wait", *words)
    assert code in {1, 2}
    assert out == ""
    assert what in err.splitlines()[0]
    assert len(err.splitlines()) == 2


def test_more_commands_than_a_user_may_have_are_told_so(
    paths: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise ValueError(interface.TOO_MANY_WAITS)

    monkeypatch.setattr(exchange, "replies", refuse)
    code, _, err = run(paths, capsys, "wait", "web1", "--timeout", LONG)
    what, hint = err.splitlines()
    assert (code, what) == (1, "leasewatch: too many commands of yours wait already")
    assert hint == "  hint: leasewatch admin limits show"
