"""How a long download shows that it goes on."""

from __future__ import annotations

import io
import sys

import pytest

from nss_pyvirt.terminal import commands, progress
from nss_pyvirt.terminal.progress import Progress

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
    monkeypatch.setattr(progress, "time", made)
    return made


def download(clock: Clock) -> None:
    """100 MiB, of which 20 are here already, in 40 seconds."""
    with Progress("pyvirt", "downloading deb") as shown:
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


def test_json_gets_notes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(commands.Command, "prints_json", True)
    Progress("pyvirt", "downloading deb")(3 * MIB, None)
    assert clock.now == 100
    assert capsys.readouterr().err == '{"note": "downloading deb: 3M"}\n'


def test_what_needs_no_download_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("pyvirt", "downloading deb") as shown:
        assert not shown.was_called
    assert capsys.readouterr().err == ""
