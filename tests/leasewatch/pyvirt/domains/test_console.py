"""The console's terminal side, with a real pseudo-terminal and a socket in QEMU's place."""

from __future__ import annotations

import os
import pty
import socket
import termios
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.pyvirt.domains import console


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[socket.socket]:
    """A listening socket where a console would be."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "console"))
        listening.listen(1)
        listening.settimeout(60)
        yield listening


def _attach(path: Path, keyboard: int, screen: int) -> tuple[threading.Thread, list[bool]]:
    left: list[bool] = []
    thread = threading.Thread(
        target=lambda: left.append(console.attach(path, keyboard, screen)), daemon=True
    )
    thread.start()
    return thread, left


def test_a_terminal_is_raw_until_the_escape_key_and_then_as_before(
    guest: socket.socket, tmp_path: Path
) -> None:
    person, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    thread, left = _attach(tmp_path / "console", terminal, terminal)
    serial, _ = guest.accept()
    with serial:
        serial.settimeout(60)
        serial.sendall(b"login: ")
        assert os.read(person, 100) == b"login: "
        os.write(person, b"root\r\x03")  # Ctrl-C goes to the guest
        assert serial.recv(100) == b"root\r\x03"
        assert not termios.tcgetattr(terminal)[3] & termios.ICANON
        os.write(person, b"x" + console.ESCAPE + b"never sent")
        assert serial.recv(100) == b"x"
        thread.join(60)
        assert left == [True]
        assert serial.recv(100) == b""
    assert termios.tcgetattr(terminal) == before
    os.close(person)
    os.close(terminal)


def test_the_end_of_the_guest_ends_it(guest: socket.socket, tmp_path: Path) -> None:
    keyboard, typing = os.pipe()
    shown, screen = os.pipe()
    thread, left = _attach(tmp_path / "console", keyboard, screen)
    serial, _ = guest.accept()
    serial.sendall(b"reboot: Power down\r\n")
    serial.close()
    thread.join(60)
    assert left == [False]
    assert os.read(shown, 100) == b"reboot: Power down\r\n"
    for fd in (keyboard, typing, shown, screen):
        os.close(fd)


def test_a_pipe_is_sent_whole_and_its_answer_still_shown(
    guest: socket.socket, tmp_path: Path
) -> None:
    keyboard, typing = os.pipe()
    shown, screen = os.pipe()
    os.write(typing, b"uname" + console.ESCAPE + b"\n")  # in a pipe it is a byte like any other
    os.close(typing)
    thread, left = _attach(tmp_path / "console", keyboard, screen)
    serial, _ = guest.accept()
    with serial:
        serial.settimeout(60)
        assert serial.recv(100) == b"uname\x1d\n"
        serial.sendall(b"Linux\r\n")
        thread.join(60)
    assert left == [True]
    os.close(screen)
    assert os.read(shown, 100) == b"Linux\r\n"
    for fd in (keyboard, shown):
        os.close(fd)


def test_nothing_listening_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        console.attach(tmp_path / "console", 0, 1)


def test_a_log_keeps_only_its_last_lines(tmp_path: Path) -> None:
    log = console.Log(tmp_path / "log", limit=100)
    for number in range(1000):
        log.write(b"%09d\n" % number)
    log.close()
    kept = (tmp_path / "log.1").read_bytes() + (tmp_path / "log").read_bytes()
    assert len(kept) <= 200
    assert kept.endswith(b"000000998\n000000999\n")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log", "log.1"]
