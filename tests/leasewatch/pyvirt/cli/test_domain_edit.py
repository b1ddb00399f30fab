"""`pyvirt domain edit` on a terminal: what an editor may do to a definition, and what not."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.cli.editing import faulty_line
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.network import Network
from tests.system.guest import IDLE_KERNEL

MAIN = """
import os, sys
from leasewatch.paths import Paths
from leasewatch.pyvirt.cli import edit, pyvirt
from nss_pyvirt.terminal import frame
os.geteuid = lambda: 0
paths = Paths(sys.argv[1])
edit.Paths = lambda: paths
sys.exit(frame.run(pyvirt.command, "pyvirt", ["domain", "edit", "web1"]))
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A host with a network and the domain `web1`."""
    made = Paths(tmp_path / "host")
    network = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd77::/64")
    store.write(made.network_definitions, network)
    (tmp_path / "k").write_bytes(IDLE_KERNEL)
    nic = NicDefinition(network="lab", mac="52:54:00:00:00:01")
    kernel = str(tmp_path / "k")
    web1 = DomainDefinition(name="web1", nics=(nic,), memory=64, cpus=1, kernel=kernel)
    store.write(made.domain_definitions, web1)
    return made


def edit(
    paths: Paths, script: str, answers: str = "", *, variable: str = "EDITOR"
) -> tuple[int, str]:
    """Edit web1 by a shell script, whose $1 is the copy; the exit code and what is on the screen.

    What is typed ahead answers the questions.
    """
    editor = paths.root / "editor"
    editor.write_text(f"#!/bin/sh\n{script}\n")
    editor.chmod(0o755)
    ours, theirs = pty.openpty()
    os.write(ours, answers.encode())
    environ = {key: value for key, value in os.environ.items() if key not in {"VISUAL", "EDITOR"}}
    child = subprocess.Popen(
        [sys.executable, "-c", MAIN, paths.top],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environ | {variable: f"{editor} -x", "TMPDIR": str(paths.root)},
        start_new_session=True,
    )
    os.close(theirs)
    said, deadline = b"", time.monotonic() + 60
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while select.select([ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            said += os.read(ours, 4096)
        child.kill()
        child.wait()
        pytest.fail(f"the command still asks: {said.decode()}")
    os.close(ours)
    return child.wait(60), said.decode().replace("\r\n", "\n").removeprefix(answers)


def text(paths: Paths) -> str:
    return (paths.domain_definitions / "web1.toml").read_text()


def left(paths: Paths) -> list[Path]:
    """The copies that were left behind."""
    return list(paths.root.glob("pyvirt-*"))


@pytest.mark.parametrize("variable", ["VISUAL", "EDITOR"])
def test_what_the_editor_writes_is_the_definition(paths: Paths, variable: str) -> None:
    script = 'test "$1" = -x && sed -i "s/memory = 64/memory = 96  # enough/" "$2"'
    assert edit(paths, script, variable=variable) == (0, "domain web1 is changed\n")
    assert "memory = 96  # enough\n" in text(paths)
    assert not left(paths)


def test_an_unchanged_text_is_said(paths: Paths) -> None:
    assert edit(paths, "true") == (0, "domain web1 is not changed\n")


def test_an_editor_that_fails_changes_nothing(paths: Paths) -> None:
    before = text(paths)
    code, said = edit(paths, 'echo x >> "$2"; exit 3')
    assert (code, text(paths)) == (1, before)
    assert said.startswith(f"pyvirt: {paths.root}/editor -x ended with exit code 3: nothing is")
    assert not left(paths)


WRONG = {
    "memory = much": "Invalid value (at line 5, column 10)",
    "memory = 8": "line 5: memory: Expected `int` >= 32",
    "memroy = 64": "line 5: Object contains unknown field `memroy`",
    'memory = 64\\naliases = ["Www"]': "line 6: an alias has upper-case letters",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_line_is_named_and_can_be_corrected(paths: Paths, line: str) -> None:
    mark = paths.root / "again"
    script = f"""
    if [ -e {mark} ]; then sed -i "s/cpus = 1/cpus = 2/; /aliases/d; s/^mem.*/memory = 96/" "$2"
    else touch {mark}; sed -i 's|memory = 64|{line}|' "$2"; fi"""
    code, said = edit(paths, script, "y\n")
    error, *_, question = said.splitlines()
    assert error.startswith(f"pyvirt: {WRONG[line]}"), said
    assert (code, question) == (0, "Edit again? [Y/n] domain web1 is changed")
    assert "cpus = 2" in text(paths)
    assert not left(paths)


def test_a_wrong_text_can_be_thrown_away(paths: Paths) -> None:
    before = text(paths)
    code, said = edit(paths, 'echo "memory =" > "$2"', "n\n")
    assert (code, text(paths)) == (1, before)
    assert said.endswith("Edit again? [Y/n] pyvirt: nothing is changed\n")
    assert not left(paths)


def test_another_name_is_renames(paths: Paths) -> None:
    code, said = edit(paths, 'sed -i s/web1/web2/ "$2"', "n\n")
    assert code == 1
    assert "pyvirt: line 1: name: only rename changes it\n" in said
    assert "hint: sudo pyvirt domain rename web1 web2\n" in said


def test_another_change_meanwhile_wins_and_the_text_is_kept(paths: Paths) -> None:
    file = paths.domain_definitions / "web1.toml"
    code, said = edit(paths, f'echo "# mine" >> "$2"; echo "# theirs" >> {file}')
    assert code == 1
    assert f"pyvirt: {file} was changed by another command meanwhile\n" in said
    (kept,) = left(paths)
    assert f"hint: your text is in {kept}/web1.toml: compare it, and edit again\n" in said
    assert (kept / "web1.toml").read_text().endswith("# mine\n")
    assert text(paths).endswith("# theirs\n")


def test_a_broken_definition_can_be_mended(paths: Paths) -> None:
    good = text(paths)
    file = paths.domain_definitions / "web1.toml"
    file.write_text(good.replace("cpus = 1", "cpus = one"))
    assert edit(paths, 'sed -i "s/one/1/" "$2"') == (0, "domain web1 is changed\n")
    assert text(paths) == good


def test_without_a_terminal_it_says_what_to_type(paths: Paths) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, paths.top],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "pyvirt: edit needs a terminal\n  hint: sudo pyvirt domain set web1 KEY=VALUE\n",
    )


INLINE = """a = 1
nics = [
    { network = "lab", mca = "x", mac = "y" },
    { network = "lab", mac = 5 },
]
"""
NICS = '[[nics]]\nnetwork = "lab"\nmac = "52:54"\n'


@pytest.mark.parametrize(
    ("before", "after", "what", "line"),
    [
        ("", "a = 1\nb = 2\n", "b: Expected `str`, got `int`", 2),
        ("", "a = 1\nb = 2\n", "Object contains unknown field `b`", 2),
        ("", f"a = 1\n{NICS}{NICS}", "nics[1].mac: Expected `str`", 7),
        ("", f"{NICS}mca = 2\n{NICS}mca = 1\n", "nics[1]: Object contains unknown field `mca`", 8),
        ("", INLINE, "nics[1].mac: Expected `str`", 4),
        ("", INLINE, "nics[0]: Object contains unknown field `mca`", 3),
        (NICS, NICS.replace('"52:54"', '"01:00"'), "MAC 01:00 is a multicast address", 3),
        (NICS, NICS, '"52:54" is not a MAC address', None),
        ("", "a = 1\n", "Object missing required field `name`", None),
        ("", "", "x[3].y: what", None),
    ],
)
def test_the_line_of_an_error(before: str, after: str, what: str, line: int | None) -> None:
    assert faulty_line(before, after, what) == line
