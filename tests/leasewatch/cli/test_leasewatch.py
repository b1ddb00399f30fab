"""`leasewatch`: mistakes, help, completion, and what only the service can do."""

from __future__ import annotations

import os
import socket

import pytest

from leasewatch.cli.leasewatch import command, main
from leasewatch.paths import Paths
from tests.leasewatch.cli.answering import ENTRY, answering
from tests.leasewatch.cli.asking import DOWN, STARTS, run


@pytest.mark.parametrize("typed", ["ip w", "history w", "resolve w", "list w", "domifaddr w"])
def test_a_shell_completes_names_that_the_service_knows(
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    typed: str,
) -> None:
    monkeypatch.setenv("_NSS_PYVIRT_COMPLETE", "zsh")
    monkeypatch.setattr("leasewatch.cli.ask._HURRY", 60)
    with answering(paths, [ENTRY, ENTRY | {"name": None}, ENTRY | {"name": "db"}]):
        assert run(paths, capsys, *typed.split()) == (0, "web1\n", "")


@pytest.mark.parametrize(
    ("option", "offered"),
    [("--for", "address ipv4 ipv6 gone tcp:22"), ("--after", "start")],
)
def test_a_shell_completes_what_wait_waits_for(
    paths: Paths,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
    offered: str,
) -> None:
    monkeypatch.setenv("_NSS_PYVIRT_COMPLETE", "zsh")
    code, out, err = run(paths, capsys, "wait", "web1", option, "")
    assert (code, out.split(), err) == (0, offered.split(), "")


def test_a_shell_gets_no_names_and_no_error_without_the_service(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("_NSS_PYVIRT_COMPLETE", "zsh")
    assert run(paths, capsys, "ip", "w") == (0, "", "")


FAILURES = {
    "unknown name": (["ip", "web9"], 3, 'no host has the name or address "web9"'),
    "unknown address": (
        ["resolve", "10.77.0.99"],
        3,
        'no host has the name or address "10.77.0.99"',
    ),
    "refused name": (["ip", "wpad"], 3, "it is not in the published table"),
    "family without an address": (["ip", "-6", "guest1"], 3, "guest1 has no IPv6 address"),
    "still starting": (["ip", "slow"], 3, "slow was started and has no address yet"),
    "bad format": (["list", "-o", "yaml"], 2, "'yaml' is not one of"),
    "no name": (["ip"], 2, "NAME is missing"),
    "no such command": (["frobnicate"], 2, "there is no command leasewatch frobnicate\n"),
    "nearly a command": (["sorces"], 2, "hint: did you mean: leasewatch sources\n"),
    "a name that drives the terminal": (
        ["ip", "\x1b[2J"],
        3,
        'no host has the name or address "\\x1b[2J"',
    ),
}


@pytest.mark.parametrize(("argv", "code", "said"), FAILURES.values(), ids=FAILURES)
def test_failures_have_their_exit_code_and_say_what(
    paths: Paths, capsys: pytest.CaptureFixture[str], argv: list[str], code: int, said: str
) -> None:
    got, out, err = run(paths, capsys, *argv)
    assert (got, out) == (code, "")
    assert said in err
    assert "\x1b" not in err


def test_wrong_usage_is_one_line_with_a_hint_like_any_other_mistake(
    paths: Paths, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(paths, capsys, "list", "--yaml")
    assert (code, out) == (2, "")
    what, how = err.splitlines()
    assert what == "leasewatch: there is no option --yaml"
    assert how == "  hint: leasewatch list --help"


def test_no_command_at_all_shows_the_help(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(paths, capsys)
    assert "Examples:" in out + err
    assert "hint" not in out + err
    assert code in {0, 2}  # click 8.1, and later


def test_every_query_has_help_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    for name in set(command.members) - {"serve"}:
        assert main([name, "--help"]) == 0
        assert f"leasewatch {name}" in capsys.readouterr().out.partition("Examples:")[2]


@pytest.mark.parametrize(("text", "code"), [("[names]\n", 0), ("[names]\npending_wait = 99\n", 1)])
def test_a_check_reports_each_fault_of_the_settings(
    paths: Paths, capsys: pytest.CaptureFixture[str], text: str, code: int
) -> None:
    paths.config.parent.mkdir(parents=True, exist_ok=True)
    paths.config.write_text(text + "[history]\ndays = 0\n" * code)
    got, out, err = run(paths, capsys, "serve", "--check")
    assert (got, out, err.count("leasewatch: ")) == (code, "", 2 * code)


def test_a_user_who_may_not_serve_learns_the_pid_of_the_running_service(
    paths: Paths, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_: Paths) -> None:
        raise PermissionError(13, "Permission denied", "lock")

    monkeypatch.setattr("leasewatch.daemon.account.settle", forbidden)
    code, _, err = run(paths, capsys, "serve")
    assert (code, err) == (
        1,
        "leasewatch: lock: Permission denied\n  hint: run as root, or as the user leasewatch\n",
    )
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(paths.varlink))
        server.listen()
        code, _, err = run(paths, capsys, "serve")
    assert code == 1
    assert err.startswith(
        f"leasewatch: the leasewatch service is already running: process {os.getpid()}\n"
    )


def test_sources_asks_the_service_alone(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(paths, capsys, "sources")
    assert (code, out) == (1, "")
    assert DOWN in err
    assert err.splitlines()[-1] in STARTS
