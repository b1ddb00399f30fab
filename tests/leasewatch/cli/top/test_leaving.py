"""`leasewatch top` leaves the terminal as it was, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import children_of
from tests.screen import Screen, in_front
from tests.waiting import wait_for

TOP = """
import sys
from leasewatch.cli.leasewatch import main
from leasewatch.paths import Paths
sys.exit(main(["top"], Paths(sys.argv[1])))
"""
FAULTY = """
from leasewatch.cli.top import drawing
former, turns = drawing.lines, []
def lines(*args, **named):
    turns.append(1)
    if len(turns) > 1:
        raise RuntimeError("a fault of ours")
    return former(*args, **named)
drawing.lines = lines
"""


def environment(**added: str) -> dict[str, str]:
    left = {key: value for key, value in os.environ.items() if key not in {"COLUMNS", "LINES"}}
    return left | {"TERM": "xterm"} | added


@contextmanager
def top(screen: Screen, root: Path, code: str = TOP) -> Iterator[subprocess.Popen[bytes]]:
    """The command in front of the terminal."""
    program = subprocess.Popen(
        in_front([sys.executable, "-c", code, str(root)]),
        stdin=screen.inside,
        stdout=screen.inside,
        stderr=screen.inside,
        env=environment(),
    )
    try:
        yield program
    finally:
        program.kill()
        program.wait(60)


def inner(program: subprocess.Popen[bytes]) -> int:
    """The pid of the command itself, below setsid, which may fork, and the shell."""
    pid = program.pid
    while children := children_of(pid):
        (pid,) = children
    return pid


@pytest.mark.parametrize(
    ("key", "number", "code"),
    [
        ("q", None, 0),
        ("\x03", None, 128 + signal.SIGINT),
        ("", signal.SIGTERM, 128 + signal.SIGTERM),
        ("", signal.SIGHUP, 128 + signal.SIGHUP),
    ],
    ids=["q", "Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_the_terminal_is_as_before_after(
    tmp_path: Path, key: str, number: signal.Signals | None, code: int
) -> None:
    with Screen() as screen, top(screen, tmp_path) as program:
        screen.wait_for("the service is not running", "q quit")
        assert not screen.is_as_before()
        screen.press(key)
        if number is not None:
            os.kill(inner(program), number)
        assert screen.wait_for_end() == [f"exit code {code}", ""]
        assert screen.is_as_before()


def test_the_terminal_is_as_before_after_a_fault_of_ours(tmp_path: Path) -> None:
    with Screen() as screen, top(screen, tmp_path, FAULTY + TOP):
        shown = screen.wait_for_end()
        assert shown[-3:] == ["RuntimeError: a fault of ours", "exit code 1", ""]
        assert screen.is_as_before()


def test_a_stopped_top_gives_the_terminal_back_and_takes_it_again(tmp_path: Path) -> None:
    with Screen() as screen, top(screen, tmp_path) as program:
        screen.wait_for("q quit")
        pid = inner(program)
        os.kill(pid, signal.SIGTSTP)
        stat = Path(f"/proc/{pid}/stat")
        stopped = ") T "
        wait_for("top to stop", lambda: screen.lines() and stopped in stat.read_text())
        assert screen.is_as_before()
        os.kill(pid, signal.SIGCONT)
        wait_for("top to draw again", lambda: not screen.is_as_before())
        screen.wait_for("q quit")
        screen.press("q")
        assert screen.wait_for_end() == ["exit code 0", ""]
        assert screen.is_as_before()


@pytest.mark.parametrize("size", [(120, 40), (40, 10), (20, 4)])
def test_a_new_size_is_filled_at_once(tmp_path: Path, size: tuple[int, int]) -> None:
    with Screen() as screen, top(screen, tmp_path):
        screen.wait_for("q quit")
        screen.resize(*size)
        wait_for("the screen to be filled", lambda: len(screen.lines()) == size[1])
        assert max(map(len, screen.lines())) <= size[0]


@pytest.mark.parametrize(
    ("terminal", "said"),
    [
        ("none", "leasewatch: leasewatch top needs a terminal for its keys and output\n"),
        ("dumb", 'leasewatch: leasewatch top cannot draw on this terminal (TERM="dumb")\r\n'),
    ],
)
def test_without_a_terminal_to_draw_on_it_says_so(tmp_path: Path, terminal: str, said: str) -> None:
    hint = "  hint: leasewatch list prints leases, leasewatch watch prints events"
    command = [sys.executable, "-c", TOP, str(tmp_path)]
    if terminal == "none":
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{said}{hint}\n")
        return
    with Screen() as screen:
        plain = subprocess.run(
            command,
            stdin=screen.inside,
            stdout=screen.inside,
            stderr=subprocess.PIPE,
            env=environment(TERM="dumb"),
            check=False,
        )
        assert plain.stderr.decode().replace("\n", "\r\n") == f"{said}{hint}\r\n"
        assert screen.is_as_before()
