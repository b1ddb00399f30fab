"""Relays between sockets: what passes, who is let in, how they end."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from leasewatch.pyvirt.migration import relay
from leasewatch.pyvirt.migration.relay import Relay
from tests.waiting import wait_for

DEADLINE = 20.0


class Route:
    """The socket `here`, a relay, TCP, a relay, and the socket `there`, where `far` listens."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.here, self.there = folder / "here", folder / "there"
        self.far = stack.enter_context(closing(relay.listen(self.there)))
        self.far.settimeout(DEADLINE)
        self.token = relay.new_token()
        tcp = socket.create_server(("127.0.0.1", 0))
        self.address = tcp.getsockname()
        onward = relay.to_socket(self.there)
        self.exit = stack.enter_context(
            closing(Relay(tcp, relay.by_token(self.token, onward), strangers=True))
        )
        host, port = self.address
        reach = relay.to_host(host, port, self.token)
        self.entrance = stack.enter_context(closing(Relay(relay.listen(self.here), reach)))

    def connected(self, stack: ExitStack) -> tuple[socket.socket, socket.socket]:
        """Both ends of a new connection."""
        near = stack.enter_context(relay.connect(self.here))
        far = stack.enter_context(self.far.accept()[0])
        for end in (near, far):
            end.settimeout(DEADLINE)
        return near, far


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def route(tmp_path: Path, stack: ExitStack) -> Route:
    return Route(tmp_path, stack)


def test_what_one_side_sends_arrives_whole_and_its_end_leaves_the_other_way_open(
    route: Route, stack: ExitStack
) -> None:
    near, far = route.connected(stack)
    sent = bytes(range(256)) * 8192

    def send() -> None:
        near.sendall(sent)
        near.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    with far.makefile("rb") as stream:
        assert stream.read() == sent
    sender.join()
    far.sendall(b"and back")
    assert near.recv(100) == b"and back"


def test_several_connections_pass_side_by_side(route: Route, stack: ExitStack) -> None:
    pairs = [route.connected(stack) for _ in range(8)]
    for number, (near, _) in enumerate(pairs):
        near.sendall(b"%d" % number)
    assert [far.recv(10) for _, far in pairs] == [b"%d" % number for number in range(8)]


def test_connections_arrive_in_their_order_however_slow_one_is(
    tmp_path: Path, stack: ExitStack
) -> None:
    """QEMU 7.2 takes the first connection for its main one."""
    there = tmp_path / "there"
    far = stack.enter_context(closing(relay.listen(there)))
    far.settimeout(DEADLINE)
    begun = iter((0.3, 0.1, 0.0))

    def reach(_: socket.socket) -> socket.socket:
        time.sleep(next(begun))
        return relay.connect(there)

    here = tmp_path / "here"
    stack.enter_context(closing(Relay(relay.listen(here), reach)))
    near = [stack.enter_context(relay.connect(here)) for _ in range(3)]
    for number, end in enumerate(near):
        end.sendall(b"%d" % number)
    arrived = [stack.enter_context(far.accept()[0]) for _ in near]
    assert [end.recv(1) for end in arrived] == [b"0", b"1", b"2"]


@pytest.mark.parametrize("sent", [b"x" * 32, b"too short", b""])
def test_a_wrong_token_ends_the_connection_and_leads_nowhere(
    route: Route, stack: ExitStack, sent: bytes
) -> None:
    stranger = stack.enter_context(socket.create_connection(route.address, DEADLINE))
    stranger.sendall(sent)
    stranger.shutdown(socket.SHUT_WR)
    assert stranger.recv(1) == b""
    route.far.settimeout(0)
    with pytest.raises(BlockingIOError):
        route.far.accept()


def test_a_token_that_comes_late_ends_the_connection(
    route: Route, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "PATIENCE", 0.1)
    stranger = stack.enter_context(socket.create_connection(route.address, DEADLINE))
    assert stranger.recv(1) == b""


def test_strangers_who_say_nothing_are_few_and_do_not_keep_others_out_for_long(
    tmp_path: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "PATIENCE", 1.0)
    monkeypatch.setattr(relay, "_STRANGERS", 8)
    route = Route(tmp_path, stack)
    strangers = [
        stack.enter_context(socket.create_connection(route.address, DEADLINE)) for _ in range(40)
    ]
    assert [stranger.recv(1) for stranger in strangers] == [b""] * 40
    near, far = route.connected(stack)
    near.sendall(b"let in")
    assert far.recv(10) == b"let in"


def test_an_end_that_goes_away_ends_the_other_one(route: Route, stack: ExitStack) -> None:
    near, far = route.connected(stack)
    far.close()
    assert near.recv(1) == b""


def test_nothing_listens_there_so_the_connection_ends(route: Route, stack: ExitStack) -> None:
    route.there.unlink()
    near = stack.enter_context(relay.connect(route.here))
    near.settimeout(DEADLINE)
    assert near.recv(1) == b""


def test_a_relay_that_is_closed_ends_its_connections_and_threads(
    route: Route, stack: ExitStack
) -> None:
    before = threading.active_count()
    near, far = route.connected(stack)
    wait_for("its threads", lambda: threading.active_count() >= before + 4, DEADLINE)
    route.exit.close()
    assert near.recv(1) == far.recv(1) == b""
    route.entrance.close()
    assert threading.active_count() == before - 2


def test_a_link_in_place_of_a_socket_is_not_followed(tmp_path: Path, stack: ExitStack) -> None:
    stack.enter_context(relay.listen(tmp_path / "victim"))
    (tmp_path / "link").symlink_to("victim")
    with pytest.raises(ConnectionRefusedError):
        relay.connect(tmp_path / "link")


def test_it_listens_at_a_free_port_of_the_given_address_or_of_all(stack: ExitStack) -> None:
    taken = stack.enter_context(relay.listen_tcp("127.0.0.1", [0]))
    port = taken.getsockname()[1]
    second = stack.enter_context(relay.listen_tcp("127.0.0.1", [port, 0]))
    assert second.getsockname()[0] == "127.0.0.1"
    assert second.getsockname()[1] != port
    translated = stack.enter_context(relay.listen_tcp("192.0.2.1", [0]))
    assert translated.getsockname()[0] == "0.0.0.0"
    with pytest.raises(OSError, match="in use"):
        relay.listen_tcp("127.0.0.1", [port])
