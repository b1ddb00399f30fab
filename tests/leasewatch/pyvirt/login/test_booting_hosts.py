"""The file by which ssh waits for domains: its text, and what OpenSSH makes of it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from leasewatch.pyvirt.login.booting_hosts import replaced

PROGRAM = "/opt/pyvirt/bin/leasewatch"
NAMES = ("web1", "www", "web1.lab.internal")


def _match(text: str) -> list[str]:
    """The names for which ssh waits."""
    lines = [line.split()[2] for line in text.splitlines() if line.startswith("Match ")]
    return lines[0].split(",") if lines else []


def test_one_line_has_the_names_of_all_domains_and_each_may_change_or_go() -> None:
    one = replaced("", "web1", NAMES, PROGRAM)
    assert one.splitlines()[-1] == (
        "Match originalhost web1,www,web1.lab.internal "
        'exec "/opt/pyvirt/bin/leasewatch wait --booting --timeout 5m --for tcp:%p %n"'
    )
    assert replaced(one, "web1", NAMES, PROGRAM) == one
    two = replaced(one, "db1", ("db1",), PROGRAM)
    assert _match(two) == [*NAMES, "db1"]
    assert _match(replaced(two, "web1", ("web1",), PROGRAM)) == ["web1", "db1"]
    assert _match(replaced(two, "web1", (), PROGRAM)) == ["db1"]
    assert _match(replaced(one, "web1", (), PROGRAM)) == []


@pytest.mark.parametrize(
    "program", ["", "leasewatch", "/opt/my folder/leasewatch", "/opt/%h/leasewatch", '/opt/"/l']
)
def test_a_program_that_a_shell_could_misread_is_never_run(program: str) -> None:
    assert _match(replaced("", "web1", NAMES, program)) == []


@pytest.mark.parametrize(
    "name", ["web1;id", "$(id)", "`id`", "a b", "*", "!web1", "-x$IFS", "a\nb"]
)
def test_a_name_that_a_shell_could_misread_is_left_out(name: str) -> None:
    assert _match(replaced("", "web1", ("web1", name), PROGRAM)) == ["web1"]


SSH = [
    ("web1", True), ("WEB1", True), ("www", True), ("web1.lab.internal", True), ("web10", False),
    ("web1.example", False), ("web1;id", False), ("web1$(id)", False), ("10.77.0.5", False),
]  # fmt: skip


@pytest.mark.skipif(shutil.which("ssh") is None, reason="needs ssh: openssh-client")
@pytest.mark.parametrize(("host", "runs"), SSH)
def test_ssh_runs_the_command_for_our_names_alone_and_goes_on_as_if_nothing_was(
    tmp_path: Path, host: str, *, runs: bool
) -> None:
    said, program, config = tmp_path / "said", tmp_path / "leasewatch", tmp_path / "config"
    program.write_text(f'#!/bin/sh\necho "$*" >>{said}\nexit 4\n')
    program.chmod(0o755)
    (tmp_path / "ours").write_text(replaced("", "web1", NAMES, str(program)))
    config.write_text(f"Include {tmp_path}/ours\nUser bob\n")
    asked = ["ssh", "-G", "-F", str(config), "-p", "2222", "--", host]
    shown = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60).stdout
    words = f"wait --booting --timeout 5m --for tcp:2222 {host}\n"
    assert (said.read_text() if said.exists() else "") == (words if runs else "")
    assert "user bob" in shown or not shown
