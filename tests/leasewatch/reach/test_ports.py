"""A port is waited for at the addresses of a name. Other answers may come first."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from leasewatch.paths import Paths
from leasewatch.reach import ports
from leasewatch.reach.addresses import Awaited, TimedOutError


class Known(Awaited):
    """A name whose addresses are known: `found` gives those of each look."""

    def __init__(self, found: Callable[[], list[str]], seconds: float = 0) -> None:
        super().__init__(Paths("/nowhere"), "web1", time.monotonic() + seconds)
        self._found = found

    def addresses(self, _: Callable[[str], None] = print) -> list[str]:
        return self._found()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Listens on a port of 127.0.0.2."""
    with closing(socket.create_server(("127.0.0.2", 0))) as made:
        made.settimeout(20)
        yield made


def _port(server: socket.socket) -> int:
    return int(server.getsockname()[1])


def test_the_first_address_that_answers_gets_the_connection(server: socket.socket) -> None:
    known = Known(lambda: ["127.0.0.3", "127.0.0.2", "127.0.0.4"])
    made, address = ports.connect(known, _port(server))
    assert address == "127.0.0.2"
    assert made.gettimeout() is None
    with closing(server.accept()[0]) as other:
        made.send(b"x")
        assert other.recv(1) == b"x"
    made.close()


def test_it_tries_again_until_an_address_comes_that_answers(server: socket.socket) -> None:
    looks: list[str] = []
    known = Known(lambda: ["127.0.0.3"] if len(looks) < 3 else ["127.0.0.2"], 60)
    ports.connect(known, _port(server), looks.append)[0].close()
    assert looks == [f"address 127.0.0.3, port {_port(server)} refused"] * 3


def test_what_answered_last_is_said_when_the_time_is_over(server: socket.socket) -> None:
    with pytest.raises(TimedOutError) as late:
        ports.connect(Known(lambda: ["127.0.0.3"]), _port(server))
    assert (
        late.value.what
        == f"timed out waiting for web1: address 127.0.0.3, port {_port(server)} refused"
    )
    assert (late.value.exit_code, late.value.code) == (4, "timeout")


def test_an_address_that_never_answers_has_no_more_than_its_time() -> None:
    with closing(socket.socket()) as deaf, closing(socket.socket()) as first:
        deaf.bind(("127.0.0.2", 0))
        deaf.listen(0)
        first.connect(deaf.getsockname())  # the only place is taken
        with pytest.raises(TimedOutError, match="does not answer"):
            ports.connect(Known(lambda: ["127.0.0.2"]), _port(deaf))


@pytest.mark.parametrize(("said", "is_ours"), [(b"SSH-2.0-x", True), (b"220 hello", False)])
def test_a_server_that_greets_otherwise_is_another_one(
    server: socket.socket, said: bytes, *, is_ours: bool
) -> None:
    def answer() -> None:
        with closing(server.accept()[0]) as other:
            other.sendall(said)

    thread = threading.Thread(target=answer)
    thread.start()
    known = Known(lambda: ["127.0.0.2"], 60)
    if is_ours:
        ports.connect(known, _port(server), greeting=b"SSH-")[0].close()
    else:
        with pytest.raises(_Told, match="is another service's"):
            ports.connect(known, _port(server), _told, b"SSH-")
    thread.join(20)


class _Told(Exception):  # noqa: N818  # no error
    """What was told."""


def _told(seen: str) -> None:
    raise _Told(seen)
