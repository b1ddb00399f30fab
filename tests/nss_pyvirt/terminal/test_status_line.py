"""How a command that takes long, such as a download, shows that it goes on."""

from __future__ import annotations

import io
import sys

import pytest

from nss_pyvirt.terminal import commands, status_line
from nss_pyvirt.terminal.status_line import StatusLine, Transfer

MIB = 1 << 20


class Clock:
    """Seconds that a test sets."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """In place of the module's."""
    made = Clock()
    monkeypatch.setattr(status_line, "time", made)
    return made


def download(clock: Clock) -> None:
    """100 MiB, of which 20 are here already, in 40 seconds."""
    with StatusLine("pyvirt") as line:
        shown = Transfer(line, "downloading deb")
        for second in range(41):
            shown((20 + 2 * second) * MIB, 100 * MIB)
            clock.now += 1


def test_a_pipe_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    download(clock)
    assert capsys.readouterr().err.splitlines() == [
        "pyvirt: downloading deb: 20M of 100M, 20 %",
        "pyvirt: downloading deb: 40M of 100M, 40 %, 2M/s, 0:30 left",
        "pyvirt: downloading deb: 60M of 100M, 60 %, 2M/s, 0:20 left",
        "pyvirt: downloading deb: 80M of 100M, 80 %, 2M/s, 0:10 left",
        "pyvirt: downloading deb: 100M of 100M, 100 %, 2M/s",
    ]


def test_a_terminal_has_one_line_that_is_gone_in_the_end(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    download(clock)
    written = terminal.getvalue()
    assert "\n" not in written
    assert written.count("\r") == 42
    assert written.endswith("\r\x1b[K")
    assert all(len(line) < 80 for line in written.split("\r"))


def test_a_terminal_shows_the_seconds_and_keeps_a_note(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with StatusLine("pyvirt") as line:
        clock.now += 3
        line("starting web1")
        line("starting web1")
        line.note("guests are emulated")
    gone = "\r\x1b[K"
    shown = f"\rstarting web1 (3 s)\x1b[K{gone}pyvirt: guests are emulated\n"
    assert terminal.getvalue() == shown


def test_json_gets_notes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(commands.Command, "prints_json", True)
    Transfer(StatusLine("pyvirt"), "downloading deb")(3 * MIB, None)
    assert clock.now == 100
    assert capsys.readouterr().err == '{"note": "downloading deb: 3M"}\n'


def test_what_needs_no_download_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with StatusLine("pyvirt") as line:
        assert not Transfer(line, "downloading deb").has_begun
    assert capsys.readouterr().err == ""
