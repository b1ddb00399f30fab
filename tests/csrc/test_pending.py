"""Waiting for a pending host: whom it may meet, what it costs, and that it leaves nothing behind.

The one place where tests hold times: that a wait ends is what it is for. Times are of the
lookup's own monotonic clock, and the best of three counts, for the machine may be busy.
"""

from __future__ import annotations

import math
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from nss_pyvirt.snapshot import Address, Host
from tests.csrc import peers
from tests.csrc.building import MODULE_SOURCES, VARIANTS, WRAP, compile_c, not_reached, usable
from tests.csrc.peers import Peer
from tests.csrc.place import FAR, WAIT, WEB1, Place, Result

HERE = Path(__file__).parent
pytestmark = pytest.mark.real_timing

LONG = 20_000
"""Milliseconds that a table allows where something else must end the wait long before."""
SLACK = 50
NOT_YET = "-2 11 2"  # TRYAGAIN, EAGAIN, TRY_AGAIN
UNKNOWN = "0 0 1"
FOUND = "1 0 0 10.77.0.5"
LEASED = WEB1._replace(
    addresses=(Address(socket.AF_INET, socket.inet_aton("10.77.0.5"), FAR),), pending_until=0
)


def build(folder: Path, *variant: str) -> Path:
    sources = (HERE / "waiter.c", HERE / "faults.c", *MODULE_SOURCES)
    return compile_c(folder / "waiter", variant, "-DPYVIRT_TEST", *WRAP, *sources)


def built(variant: tuple[str, ...], factory: pytest.TempPathFactory) -> Path:
    if not usable(variant):
        pytest.skip(f"no {' '.join(variant)} here: packaging/test installs it")
    return build(factory.mktemp("waiter"), *variant)


@pytest.fixture(scope="session", params=VARIANTS)
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(VARIANTS[request.param], tmp_path_factory)


@pytest.fixture(scope="session", params=["gcc -O2", "clang -O2", "gcc -m32 -O2"])
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For what AddressSanitizer does not bear: an unwound stack, no descriptors."""
    return built(tuple(request.param.split()), tmp_path_factory)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def meet(
    place: Place, program: Path, peer: Peer, how: str = "plain", within: float = math.inf
) -> Result:
    """The fastest of three lookups with that peer; of ten, while all took more ms than `within`.

    A busy machine holds some of them up, a module that waits too long all of them.
    """
    results: list[Result] = []
    while len(results) < 3 or (
        len(results) < 10 and min(result.milliseconds for result in results) > within
    ):
        place.service.unlink(missing_ok=True)
        with peer(place.service):
            results.append(place.look_up(program, how))
    assert len({(result.said, result.descriptors) for result in results}) == 1, results
    return min(results, key=lambda result: result.milliseconds)


AT_ONCE = 0
PEERS = [
    # and how long it takes, in ms
    (peers.silent, WAIT),
    (peers.never_accepting, WAIT),
    (peers.full, AT_ONCE),
    (peers.dripping, AT_ONCE),
    (peers.over_long, AT_ONCE),
    (peers.dead, AT_ONCE),
    (peers.resetting, AT_ONCE),
    (peers.absent, AT_ONCE),
    (peers.left_behind, AT_ONCE),
    (peers.no_socket, AT_ONCE),
    (peers.stream, AT_ONCE),
    pytest.param(
        peers.foreign,
        AT_ONCE,
        marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user"),
    ),
]


@pytest.mark.parametrize(("peer", "takes"), PEERS)
def test_each_peer_costs_at_most_the_deadline_and_leaves_no_descriptor(
    program: Path, place: Place, peer: Peer, takes: int
) -> None:
    result = meet(place, program, peer, within=takes + SLACK)
    assert (result.said, result.descriptors) == (NOT_YET, "same")
    assert takes <= result.milliseconds <= takes + SLACK


def test_a_look_up_by_the_service_itself_never_waits(program: Path, place: Place) -> None:
    result = meet(place, program, peers.absent, "self", within=SLACK)
    assert result.said == NOT_YET
    assert result.milliseconds <= SLACK


@pytest.mark.parametrize("how", ["bare", "alarms"])
def test_the_deadline_holds_also(program: Path, place: Place, how: str) -> None:
    result = meet(place, program, peers.silent, how, within=WAIT + SLACK)
    assert (result.said, result.descriptors) == (NOT_YET, "same")
    assert WAIT <= result.milliseconds <= WAIT + SLACK


def test_without_a_spare_descriptor_the_service_is_not_asked(plain: Path, place: Place) -> None:
    result = meet(place, plain, peers.silent, "full", within=SLACK)
    assert (result.said, result.descriptors) == (NOT_YET, "same")
    assert result.milliseconds <= SLACK


def test_a_cancelled_thread_leaves_the_wait_and_nothing_else(plain: Path, place: Place) -> None:
    place.publish(WEB1, wait=20_000)
    result = meet(place, plain, peers.silent, "cancel", within=SLACK)
    assert (result.said, result.descriptors) == ("cancelled", "same")
    assert result.milliseconds <= SLACK


def test_a_thread_that_does_not_want_to_be_cancelled_is_not(plain: Path, place: Place) -> None:
    result = meet(place, plain, peers.silent, "uncancel")
    assert (result.said, result.descriptors) == (NOT_YET, "same")


@pytest.mark.parametrize("how", ["closed", "file", "socket"])
def test_what_another_thread_put_in_the_connections_place_stays_open(
    plain: Path, place: Place, how: str
) -> None:
    result = meet(place, plain, peers.silent, how)
    assert (result.said, result.descriptors) == (NOT_YET, "same")


def answered(
    place: Place, change: Callable[[], None], reply: bytes = b"published", asked: bytes = b"web1"
) -> Peer:
    """A service that changes the table when it has been asked for web1, and says so."""

    def answer(connection: socket.socket) -> None:
        assert connection.recv(512) == asked
        change()
        connection.send(reply)

    return lambda path: peers.answering(path, answer)


def test_an_address_that_is_published_meanwhile_is_the_answer(program: Path, place: Place) -> None:
    place.publish(WEB1, wait=LONG)
    with answered(place, lambda: place.publish(LEASED))(place.service):
        result = place.look_up(program)
    assert (result.said, result.descriptors) == (FOUND, "same")
    assert result.milliseconds < LONG


Addresses = tuple[Address, ...]
LINK_LOCAL = Address(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "fe80::5"), FAR, 4)
GLOBAL = Address(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "fd77::5"), FAR)


@pytest.mark.parametrize(
    ("how", "there", "comes", "said"),
    [
        ("ipv4", (GLOBAL, LINK_LOCAL), LEASED.addresses, FOUND),
        ("ipv6", (*LEASED.addresses, LINK_LOCAL), (GLOBAL,), "1 0 0 fd77::5"),
        ("ipv6", (), LEASED.addresses, "0 0 4"),
    ],
)
def test_a_family_that_is_still_to_come_is_awaited_beside_what_is_there(
    program: Path, place: Place, how: str, there: Addresses, comes: Addresses, said: str
) -> None:
    family = socket.AF_INET if how == "ipv4" else socket.AF_INET6
    place.publish(WEB1._replace(addresses=there, expect=frozenset({family})), wait=LONG)
    complete = WEB1._replace(addresses=(*there, *comes), pending_until=0)
    asked = b"web1\0" + how[-1:].encode()
    peer = answered(place, lambda: place.publish(complete), asked=asked)
    with peer(place.service):
        result = place.look_up(program, how)
    assert (result.said, result.descriptors) == (said, "same")
    assert result.milliseconds < LONG


def test_an_address_answers_at_once_even_if_more_may_follow(plain: Path, place: Place) -> None:
    place.publish(WEB1._replace(addresses=(GLOBAL, LINK_LOCAL)))
    with peers.silent(place.service):
        assert place.look_up(plain).said == "1 0 0 fd77::5"
        assert place.look_up(plain, "ipv6").said == "1 0 0 fd77::5"


def test_a_host_that_goes_meanwhile_is_unknown(program: Path, place: Place) -> None:
    place.publish(WEB1, wait=LONG)
    with answered(place, place.publish, b"gave up")(place.service):
        result = place.look_up(program)
    assert (result.said, result.descriptors) == (UNKNOWN, "same")
    assert result.milliseconds < LONG


def test_a_table_that_goes_meanwhile_is_unavailable(program: Path, place: Place) -> None:
    with answered(place, place.table.unlink)(place.service):
        assert place.look_up(program).said == "-1 2 3"


def test_the_service_is_asked_once(program: Path, place: Place) -> None:
    place.publish(WEB1, wait=LONG)
    with answered(place, lambda: None)(place.service):
        result = place.look_up(program)
    assert result.said == NOT_YET
    assert result.milliseconds < LONG


def test_after_pending_until_the_host_is_unknown(program: Path, place: Place) -> None:
    until = int(time.time()) + 2
    place.publish(WEB1._replace(pending_until=until), wait=30_000)
    with peers.silent(place.service):
        assert place.look_up(program).said == UNKNOWN
    assert until <= time.time()


def test_the_shorter_of_both_limits_counts(program: Path, place: Place) -> None:
    place.publish(WEB1._replace(pending_until=int(time.time()) + 20))
    result = meet(place, program, peers.silent, within=WAIT + SLACK)
    assert result.said == NOT_YET
    assert WAIT <= result.milliseconds <= WAIT + SLACK


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_root_may_be_the_service_of_anybodys_table(program: Path, place: Place) -> None:
    os.chown(place.table, 65534, -1)
    assert meet(place, program, peers.silent).milliseconds >= WAIT


def test_a_table_that_forbids_waiting_is_obeyed(program: Path, place: Place) -> None:
    place.publish(WEB1, wait=0)
    result = meet(place, program, peers.silent, within=SLACK)
    assert result.said == NOT_YET
    assert result.milliseconds <= SLACK


@pytest.mark.parametrize("wait", [30_000, 30_001, 2**32 - 1])
def test_no_table_makes_a_look_up_wait_for_more_than_30_seconds(
    program: Path, place: Place, wait: int
) -> None:
    place.publish(WEB1, wait=wait)
    with peers.silent(place.service):
        timeout = int(place.run(program, "plain", "web1", fault="poll 1 0").split()[0])
    assert 20_000 < timeout <= 30_000


FAULTS = [
    *[("socket", error) for error in (1, 24, 38, 97)],  # EPERM, EMFILE, ENOSYS, EAFNOSUPPORT
    *[("connect", error) for error in (1, 4, 11, 13, 38)],
    *[("getsockopt", error) for error in (0, 1, 38)],  # 0: another uid
    *[("send", error) for error in (1, 11, 32)],
    *[("poll", error) for error in (1, 12, 38)],
]


@pytest.mark.parametrize(("call", "error"), FAULTS)
def test_a_call_that_fails_ends_the_wait(
    program: Path, place: Place, call: str, error: int
) -> None:
    place.publish(WEB1, wait=LONG)
    with peers.silent(place.service):
        result = place.look_up(program, fault=f"{call} 0 {error}")
    assert (result.said, result.descriptors) == (NOT_YET, "same")
    assert result.milliseconds < LONG


def test_an_interrupted_poll_goes_on(program: Path, place: Place) -> None:
    with peers.silent(place.service):
        result = place.look_up(program, fault="poll 1 4")
    assert (result.said, result.descriptors) == (NOT_YET, "same")
    assert result.milliseconds >= WAIT


def test_only_a_pending_name_touches_a_socket(place: Place, tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("no strace here: packaging/test installs it")
    program = build(tmp_path, "gcc", "-O2")
    ended = Host(("late",), (), 1)
    place.publish(WEB1, LEASED._replace(names=("db",)), ended)
    calls = {}
    for name in ("nosuch", "db", "late", "web1"):
        trace = tmp_path / name
        place.run(Path("strace"), "-f", "-o", str(trace), str(program), "plain", name)
        calls[name] = [line for line in trace.read_text().splitlines() if "socket(" in line]
    assert [bool(calls[name]) for name in calls] == [False, False, False, True]
    (call,) = calls["web1"]
    assert "AF_UNIX, SOCK_SEQPACKET|SOCK_CLOEXEC|SOCK_NONBLOCK" in call


def test_many_threads_wait_at_once(place: Place, plain: Path) -> None:
    place.publish(WEB1, wait=20_000)
    results: list[Result] = []
    with peers.never_accepting(place.service):
        waiting = [
            threading.Thread(target=lambda: results.append(place.look_up(plain, "cancel")))
            for _ in range(8)
        ]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join(60)
    assert {(result.said, result.descriptors) for result in results} == {("cancelled", "same")}
    assert len(results) == 8


def test_the_tests_take_every_branch_of_the_wait(place: Place, tmp_path: Path) -> None:
    if not usable(("gcc", "--coverage")):
        pytest.skip("no gcc here: packaging/test installs it")
    program = build(tmp_path, "gcc", "-O0", "--coverage")
    for peer in (peers.silent, peers.absent):
        meet(place, program, peer)
    for how in ("bare", "full", "closed", "file", "socket", "alarms", "cancel", "ipv4", "ipv6"):
        meet(place, program, peers.silent, how)
    meet(place, program, peers.absent, "self")
    place.service.unlink()
    with peers.silent(place.service):
        for call, error in FAULTS:
            place.look_up(program, fault=f"{call} 0 {error}")
        place.look_up(program, fault="fstat 2 5")
        place.look_up(program, fault="poll 0 4")  # interrupted until the time is over
        place.publish(WEB1, wait=2**32 - 1)
        place.look_up(program, fault="poll 1 0")
        for wait, fault in ((30_000, "poll 1 0"), (WAIT, ""), (0, "")):
            place.publish(WEB1._replace(pending_until=int(time.time()) + 20), wait=wait)
            place.look_up(program, fault=fault)
        place.publish(WEB1)
        if os.geteuid() == 0:
            os.chown(place.table, 65534, -1)
        place.look_up(program, fault="getsockopt 1 -1")
    place.service.unlink()
    place.publish(WEB1)
    assert not_reached(tmp_path, of=["pending.c"]) == []
