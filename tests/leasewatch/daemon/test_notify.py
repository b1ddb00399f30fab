"""sd_notify: messages arrive, even if others keep the manager's socket full."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from leasewatch.daemon import notify


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    """A service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(address.replace("@", "\0", 1))
        listening.settimeout(30)
        yield listening


def fill(listening: socket.socket) -> int:
    """As any local user can; returns how many messages wait."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flood:
        flood.setblocking(False)
        for count in range(100_000):
            try:
                flood.sendto(b"READY=0", listening.getsockname())
            except BlockingIOError:
                return count
    raise AssertionError("the queue has no end")


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@{tmp_path.name}"


def test_a_full_notify_queue_delays_messages_and_loses_none(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with manager(address) as listening:
        waiting = fill(listening)
        assert waiting
        lines, named = ("READY=1", "STATUS=here"), {"patience": 60}
        speaker = threading.Thread(target=notify.notify, args=lines, kwargs=named)
        speaker.start()
        received = [listening.recv(100) for _ in range(waiting + 1)]
        speaker.join(30)
    assert received[-1] == b"READY=1\nSTATUS=here"


def test_a_manager_that_reads_nothing_is_given_up(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    with manager(address) as listening:
        fill(listening)
        notify.notify("READY=1", patience=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFY_SOCKET", "/nonexistent/socket"),
        ("NOTIFY_SOCKET", "vsock:2:1234"),
        (notify.DESCRIPTOR, "999"),
        (notify.DESCRIPTOR, "three"),
    ],
)
def test_without_a_notify_socket_nothing_is_sent(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    notify.notify("READY=1")


def test_the_inherited_descriptor_goes_before_the_socket(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv(notify.DESCRIPTOR, str(writing))
    try:
        notify.notify("READY=1", "STATUS=here")
        assert os.read(reading, 100) == b"READY=1\nSTATUS=here\n"
        os.close(reading)
        notify.notify("STOPPING=1")  # who has started us has gone
    finally:
        os.close(writing)
