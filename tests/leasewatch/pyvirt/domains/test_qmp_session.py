"""QMP with a real QEMU that has no machine, and with peers that are no QEMU."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leasewatch.pyvirt.domains import qmp_session
from leasewatch.pyvirt.domains.qmp_session import QmpSession, RefusedError
from nss_pyvirt.errors import UserError


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """The QMP socket of a QEMU."""
    path = tmp_path / "qmp"
    machine = ["-machine", "none", "-accel", "tcg", "-nodefaults", "-display", "none"]
    with socket.socket(socket.AF_UNIX) as listener:  # handed over listening, as pyvirt does
        listener.bind(str(path))
        listener.listen()
        chardev = f"socket,id=qmp,fd={listener.fileno()},server=on,wait=off"
        guest = subprocess.Popen(
            [
                "qemu-system-x86_64",
                *machine,
                "-chardev",
                chardev,
                "-mon",
                "chardev=qmp,mode=control",
            ],
            stdin=subprocess.DEVNULL,
            pass_fds=[listener.fileno()],
        )
    yield path
    guest.kill()
    guest.wait(60)


def test_one_question_after_the_other_is_answered(running: Path) -> None:
    for _ in range(3):
        assert qmp_session.ask(running, "query-name", timeout=60) == {}


def test_a_command_that_qemu_refuses_is_an_error_with_its_words(running: Path) -> None:
    with pytest.raises(UserError, match="make-coffee has not been found"):
        qmp_session.ask(running, "make-coffee", timeout=60)


def test_events_are_kept_until_they_are_asked_for(running: Path) -> None:
    with contextlib.closing(QmpSession(running, 60)) as session:
        for command in ("stop", "cont"):
            session.ask(command)
        found = [session.next_event(time.monotonic() + 60) for _ in range(2)]
        assert [each and each.event for each in found] == ["STOP", "RESUME"]
        assert session.next_event(time.monotonic()) is None


def test_an_error_does_not_end_a_session_and_descriptors_go_along(running: Path) -> None:
    with contextlib.closing(QmpSession(running, 60)) as session:
        with pytest.raises(RefusedError) as refused:
            session.ask("make-coffee")
        assert refused.value.desc == "The command make-coffee has not been found"
        with Path(os.devnull).open("rb") as file:
            added = session.ask("add-fd", {"fdset-id": 7}, fds=[file.fileno()])
        assert added["fdset-id"] == 7


def test_a_late_answer_is_no_answer_to_the_next_question(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "qmp"))
        listening.listen()
        with contextlib.closing(QmpSession(tmp_path / "qmp", 60)) as session:
            peer, _ = listening.accept()
            with peer:
                with pytest.raises(UserError, match="has not answered query-name"):
                    session.ask("query-name", timeout=0)
                peer.sendall(b'{"return": {"name": "late"}, "id": "1"}\n')
                peer.sendall(b'{"return": {}, "id": "2"}\n')
                assert session.ask("query-name") == {}


def test_a_peer_that_says_nothing_costs_the_time_allowed_and_no_more(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "qmp"))
        silent.listen()
        with pytest.raises(UserError, match=r"has not answered query-status within 0\.2 s"):
            qmp_session.ask(tmp_path / "qmp", "query-status", timeout=0.2)


@pytest.mark.parametrize("greeting", [b"", b"\n", b"{}\n", b"not json\n", b"[" * 100_000 + b"\n"])
def test_a_peer_that_is_no_qemu_is_an_error(tmp_path: Path, greeting: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(tmp_path / "qmp"))
        stranger.listen()
        stranger.settimeout(60)

        def answer() -> None:
            peer, _ = stranger.accept()
            with peer:
                peer.sendall(greeting)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(UserError):
            qmp_session.ask(tmp_path / "qmp", "query-status", timeout=5)
        thread.join(60)


def test_no_socket_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not answer"):
        qmp_session.ask(tmp_path / "qmp", "query-status", timeout=5)
