"""What `pyvirt` says to words that it cannot take, before anything is looked at."""

from __future__ import annotations

import pytest

from leasewatch.pyvirt.cli.pyvirt import command
from nss_pyvirt.terminal import frame

CREATE = ["domain", "create", "web1", "--network", "lab"]
WRONG = {
    "a command of the other half": (
        ["start", "web1"],
        ["No such command 'start'.", "pyvirt domain start web1"],
    ),
    "no command at all": (["frobnicate"], ["No such command 'frobnicate'.", "pyvirt --help"]),
    "memory with a unit": (
        [*CREATE, "--memory", "2G"],
        [
            "Invalid value for '--memory': '2G' is not a valid number of MiB, e.g. 2048.",
            "pyvirt domain create --help",
        ],
    ),
    "a timeout in the past": (
        ["domain", "shutdown", "web1", "--timeout", "-5"],
        [
            "Invalid value for '--timeout': -5 is not in the range 0<=x<=86400.",
            "pyvirt domain shutdown --help",
        ],
    ),
    "a timeout that is no number": (
        ["domain", "shutdown", "web1", "--timeout", "nan"],
        [
            "Invalid value for '--timeout': 'nan' is not a valid whole number of seconds, e.g. 60.",
            "pyvirt domain shutdown --help",
        ],
    ),
    "no domain": (
        ["domain", "start"],
        ["Missing argument 'NAME...'.", "pyvirt domain start --help"],
    ),
}


@pytest.mark.parametrize(("argv", "said"), WRONG.values(), ids=WRONG)
def test_wrong_usage_is_one_line_with_a_hint(
    capsys: pytest.CaptureFixture[str], argv: list[str], said: list[str]
) -> None:
    assert frame.run(command, "pyvirt", argv) == 2
    what, hint = said
    assert capsys.readouterr().err == f"pyvirt: {what}\n  hint: {hint}\n"


@pytest.mark.parametrize("closed", ["stdin", "stdout"])
def test_a_console_with_nothing_to_type_on_is_one_line_with_a_hint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(f"sys.{closed}", None)
    assert frame.run(command, "pyvirt", ["domain", "console", "web1"]) == 1
    what, hint = capsys.readouterr().err.splitlines()
    assert what == "pyvirt: there is nothing to type on or to show it"
    assert hint == "  hint: leave <&- and >&- away"
