"""The ways between two QEMUs: what the destination opens, and how the source gets there."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.migration import channel, relay
from leasewatch.pyvirt.migration.channel import Address, TcpChannel
from leasewatch.pyvirt.migration.doors import Door, DoorRequest, Doors
from nss_pyvirt.errors import UserError

DEADLINE = 20.0
_NOBODY = 65534


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def doors(tmp_path: Path, stack: ExitStack) -> Doors:
    return stack.enter_context(closing(Doors(Paths(tmp_path), _NOBODY)))


@pytest.fixture
def there(tmp_path: Path, stack: ExitStack) -> Iterator[socket.socket]:
    """Where the destination's QEMU listens."""
    (tmp_path / "there").mkdir()
    with closing(relay.listen(tmp_path / "there/memory")) as listener:
        listener.settimeout(DEADLINE)
        yield listener


def _passes(near: Path, far: socket.socket) -> bool:
    with relay.connect(near) as one, far.accept()[0] as other:
        one.settimeout(DEADLINE)
        one.sendall(b"over")
        other.settimeout(DEADLINE)
        return other.recv(10) == b"over"


def test_a_way_over_tcp_leads_from_one_folder_to_the_other(
    tmp_path: Path, doors: Doors, there: socket.socket
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    way = TcpChannel(Address("127.0.0.1", 0), lambda asked: doors.open(asked, tmp_path / "there"))
    with closing(way):
        way.connect(folder, "memory")
        assert _passes(folder / "memory", there)
    assert not list(folder.iterdir())


def test_a_connection_over_tcp_alone_is_the_agent_s_own(tmp_path: Path, doors: Doors) -> None:
    way = TcpChannel(Address("127.0.0.1", 0), lambda asked: doors.open(asked, tmp_path))
    with closing(way), way.connection("memory") as near, doors.connection() as far:
        doors.close()
        way.close()
        near.sendall(b"over")
        far.settimeout(DEADLINE)
        assert far.recv(10) == b"over"
        assert near.gettimeout() is None


def test_a_stranger_s_connection_is_not_the_one_that_comes_alone(
    tmp_path: Path, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = doors.open(DoorRequest(socket="memory", alone=True, address="127.0.0.1"), tmp_path)
    with socket.create_connection(("127.0.0.1", door.port), DEADLINE) as stranger:
        stranger.sendall(bytes(32))
        assert stranger.recv(1) == b""
    monkeypatch.setattr(relay, "PATIENCE", 0.1)
    with pytest.raises(UserError, match="no connection for the guest has come"):
        doors.connection()


def test_the_door_for_ssh_is_only_for_the_user_who_logged_in(
    tmp_path: Path, doors: Doors, there: socket.socket
) -> None:
    path = Path(doors.open(DoorRequest(socket="memory"), tmp_path / "there").path)
    folder = path.parent.stat()
    assert (folder.st_uid, folder.st_mode & 0o777) == (_NOBODY, 0o700)
    assert path.stat().st_mode & 0o777 == 0o666
    assert _passes(path, there)
    doors.close()
    assert not path.parent.exists()


def test_a_port_that_is_taken_or_cannot_be_reached_is_one_line_before_anything_moves(
    tmp_path: Path, doors: Doors, stack: ExitStack
) -> None:
    taken = stack.enter_context(relay.listen_tcp("127.0.0.1", [0]))
    port = taken.getsockname()[1]
    with pytest.raises(UserError, match=f"cannot listen at 127.0.0.1, port {port}: .*in use"):
        doors.open(DoorRequest(socket="memory", address="127.0.0.1", port=port), tmp_path)
    way = TcpChannel(Address("127.0.0.1", 0), lambda _: Door(port=1, token="00"))
    for connect in (lambda: way.connect(tmp_path, "memory"), lambda: way.connection("memory")):
        with pytest.raises(UserError, match=r"cannot reach 127.0.0.1, port 1: .*refused") as error:
            connect()
        assert error.value.hint == "open TCP port 1 in its firewall, or omit --address"
    assert not (tmp_path / "memory").exists()


def test_a_socket_s_name_cannot_lead_out_of_the_folder(tmp_path: Path, doors: Doors) -> None:
    door = doors.open(DoorRequest(socket="../../etc/memory"), tmp_path)
    assert Path(door.path).name == "memory"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("192.0.2.1", "192.0.2.1", 0),
        ("192.0.2.1:4444", "192.0.2.1", 4444),
        ("2001:db8::1", "2001:db8::1", 0),
        ("[2001:db8::1]:4444", "2001:db8::1", 4444),
        ("KVM2.example", "KVM2.example", 0),
        ("kvm2:4444", "kvm2", 4444),
    ],
)
def test_an_address_may_have_a_port(text: str, host: str, port: int) -> None:
    assert channel.parse_address(text) == (host, port)


@pytest.mark.parametrize("text", ["", ":1", "a:b", "a:99999", "a/b", "root@a", "[::1", "a b", "a?"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="this is no address"):
        channel.parse_address(text)
