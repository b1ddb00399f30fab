"""`leasewatch connect` hands a connected socket over, as ssh's ProxyUseFdpass wants it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from leasewatch.model import DomainState, Nic
from leasewatch.paths import Paths
from tests.leasewatch.cli.asking import run

PROGRAM = (
    "import sys; from leasewatch.cli.leasewatch import main; from leasewatch.paths import Paths;"
    "sys.exit(main(sys.argv[2:], Paths(sys.argv[1])))"
)


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Listens on a port of 127.0.0.1."""
    with closing(socket.create_server(("127.0.0.1", 0))) as made:
        made.settimeout(20)
        yield made


def _connect(root: Path, *words: str) -> tuple[int, list[int], str]:
    """Run it with a socket as ssh makes it: exit code, the descriptors that came, stderr."""
    ours, theirs = socket.socketpair()
    with closing(ours), closing(theirs):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(root), "connect", *words],
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
        ours.setblocking(False)
        try:
            _, passed, _, _ = socket.recv_fds(ours, 16, 4)
        except BlockingIOError:
            passed = []
    return done.returncode, passed, done.stderr


def _is_connected(passed: list[int], server: socket.socket) -> bool:
    (descriptor,) = passed
    with closing(socket.socket(fileno=descriptor)) as ours, closing(server.accept()[0]) as theirs:
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert os.get_blocking(descriptor)
        ours.sendall(b"SSH-")
        return theirs.recv(4) == b"SSH-"


def test_a_name_that_is_not_ours_is_connected_to_at_once_without_a_service(
    tmp_path: Path, server: socket.socket
) -> None:
    port = str(server.getsockname()[1])
    code, passed, err = _connect(tmp_path, "localhost", port)
    assert (code, err) == (0, "")
    assert _is_connected(passed, server)
    code, passed, err = _connect(tmp_path, "127.0.0.1", port, "--timeout", "60s")
    assert (code, err) == (0, "")
    assert _is_connected(passed, server)


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("127.0.0.2", "127.0.0.2: address 127.0.0.2, port {port}: Connection refused"),
        ("web1.invalid", "web1.invalid: "),
        ("web1;id", "web1;id: "),
        ("$(id)", "$(id): "),
        ("a..b", "a..b: "),
        ("x" * 300, "x" * 300 + ": "),
    ],
)
def test_what_cannot_be_connected_to_is_one_line_and_passes_nothing(
    tmp_path: Path, server: socket.socket, host: str, says: str
) -> None:
    port = str(server.getsockname()[1])
    code, passed, err = _connect(tmp_path, host, port)
    assert (code, passed) == (1, [])
    (line,) = err.splitlines()
    assert line.startswith(f"leasewatch: {says.format(port=port)}")


def test_without_the_service_a_domain_that_boots_is_connected_to_as_it_is(
    tmp_path: Path, server: socket.socket
) -> None:
    _started(Paths(tmp_path))
    code, passed, err = _connect(tmp_path, "localhost", str(server.getsockname()[1]))
    assert (code, err) == (0, "")
    assert _is_connected(passed, server)


def _started(paths: Paths, ago: float = 0) -> None:
    """A domain `localhost` was started so many seconds ago."""
    paths.domain_runs.mkdir(parents=True)
    state = DomainState(
        name="localhost",
        nics=(Nic("lab", "52:54:00:00:00:02"),),
        pid=os.getpid(),
        started=time.time() - ago,
        pending_until=0,
    )
    (paths.domain_runs / "localhost.json").write_bytes(msgspec.json.encode(state))


@pytest.mark.parametrize("ago", [301.0, -3600.0])
def test_a_domain_that_was_started_long_ago_or_in_the_future_is_not_waited_for(
    tmp_path: Path, ago: float
) -> None:
    _started(Paths(tmp_path), ago)
    code, _, err = _connect(tmp_path, "localhost", "1")
    assert (code, err.count("\n")) == (1, 1)
    assert "port 1: Connection refused" in err


def test_without_a_socket_as_stdout_it_says_how_ssh_calls_it(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), "connect", "localhost", "1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    what, hint = done.stderr.splitlines()
    assert (done.returncode, what) == (2, "leasewatch: stdout is no socket of ssh's")
    assert "ProxyUseFdpass=yes" in hint


@pytest.mark.parametrize("words", [[], ["web1"], ["web1", "ssh"], ["web1", "0"], ["-x", "22"]])
def test_wrong_words_are_an_error(
    paths: Paths, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    code, out, err = run(paths, capsys, "connect", *words)
    assert (code, out, len(err.splitlines())) == (2, "", 2)
