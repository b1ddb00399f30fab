"""The tab key in real shells: bash with bash-completion, zsh and fish, as Debian has them.

packaging/prepare --test unpacks them. A shell finds the scripts where `nss-pyvirt install` links
them. The programs are ours, and ask a service that gives known answers.
"""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from nss_pyvirt.terminal import complete
from tests.leasewatch.cli.answering import ENTRY, answering
from tests.waiting import wait_for

CHECKOUT = Path(__file__).parents[3]
SHELLS = CHECKOUT / ".cache/shells"
SCRIPTS = Path(complete.__file__).with_name("shells")
PROGRAM = f"""#!{sys.executable}
import json, os, sys
sys.path[:] = {sys.path!r}
prog, root = os.path.basename(sys.argv[0]), os.environ["ROOT"]
if not any(name.endswith("_COMPLETE") for name in os.environ):
    with open(os.path.join(root, "typed"), "a") as file:
        print(json.dumps([prog, *sys.argv[1:]]), file=file)
    sys.exit()
import leasewatch.cli.ask, leasewatch.cli.leasewatch
import leasewatch.pyvirt.cli.pyvirt, nss_pyvirt.installer.cli
leasewatch.cli.ask._HURRY = 60  # this machine may be busy
from leasewatch.paths import Paths
from nss_pyvirt.terminal import frame
group = {{
    "leasewatch": leasewatch.cli.leasewatch.command,
    "pyvirt": leasewatch.pyvirt.cli.pyvirt.command,
    "nss-pyvirt": nss_pyvirt.installer.cli.command,
}}[prog]
sys.exit(frame.run(group, prog, obj=Paths(root) if prog == "leasewatch" else None))
"""
ENTRIES = [
    ENTRY,
    ENTRY | {"name": "db1", "network": "office"},
    ENTRY | {"name": "evil$(touch owned)", "verdict": "refused"},
    ENTRY | {"name": "evil`touch owned`", "verdict": "refused"},
    ENTRY | {"name": "evil;touch${IFS}owned", "verdict": "refused", "network": "o;touch owned"},
]
TYPED = {
    "leasewatch re\t": ["leasewatch", "resolve"],
    "leasewatch ip we\t": ["leasewatch", "ip", "web1"],
    "leasewatch ip ev\t": ["leasewatch", "ip", "ev"],
    "leasewatch list --netw\to\t": ["leasewatch", "list", "--network", "office"],
    "leasewatch list --state=ref\t": ["leasewatch", "list", "--state=refused"],
    "leasewatch list -c name,ad\t": ["leasewatch", "list", "-c", "name,address"],
    "pyvirt net\tst\t": ["pyvirt", "network", "st"],
    "pyvirt domain create x --disk disk-of\t": [
        *("pyvirt", "domain", "create", "x", "--disk", "disk-of-web1.qcow2"),
    ],
    "pyvirt domain set x mem\t4G": ["pyvirt", "domain", "set", "x", "memory=4G"],
    "nss-pyvirt remove --roo\tfol\t": ["nss-pyvirt", "remove", "--root", "folder"],
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A folder with the programs in bin, a disk image and a folder; a service answers below it."""
    (tmp_path / "bin").mkdir()
    for name in ("leasewatch", "pyvirt", "nss-pyvirt"):
        (tmp_path / "bin" / name).write_text(PROGRAM)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "bin/sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (tmp_path / "bin/sudo").chmod(0o755)
    (tmp_path / "disk-of-web1.qcow2").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.txt").touch()
    with answering(Paths(tmp_path), ENTRIES):
        yield tmp_path


def environment(home: Path) -> dict[str, str]:
    return {
        "PATH": f"{home}/bin:/usr/bin:/bin",
        "HOME": str(home),
        "ROOT": str(home),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "LD_LIBRARY_PATH": str(next(SHELLS.glob("usr/lib/*-linux-gnu"))),
        "XDG_DATA_DIRS": f"{home}/share",
        "ZDOTDIR": str(home),
    }


class Shell:
    """An interactive shell in a terminal of its own."""

    def __init__(self, home: Path, *argv: str) -> None:
        self._typed = home / "typed"
        self._terminal, inside = pty.openpty()
        termios.tcsetwinsize(inside, (24, 200))
        self._shell = subprocess.Popen(
            argv, stdin=inside, stdout=inside, stderr=inside, cwd=home, env=environment(home),
            start_new_session=True,
        )  # fmt: skip
        os.close(inside)
        self._shown = b""

    def wait_for(self, what: str) -> None:
        """Wait until the shell has shown this."""
        deadline = time.monotonic() + 60
        while what.encode() not in self._shown:
            assert time.monotonic() < deadline, self._shown
            self._read(0.1)

    def type(self, keys: str) -> list[str]:
        """Type the keys and Enter; returns what the program gets."""
        self._typed.unlink(missing_ok=True)
        os.write(self._terminal, keys.encode() + b"\r")

        def ran() -> str:
            self._read(0)
            return self._typed.read_text() if self._typed.exists() else ""

        found: list[str] = json.loads(wait_for(f"{keys!r} to run", ran))
        return [word.rstrip("/") for word in found]

    def _read(self, timeout: float) -> None:
        while select.select([self._terminal], [], [], timeout)[0]:
            with suppress(OSError):
                self._shown += os.read(self._terminal, 65536)
                continue
            return

    def close(self) -> None:
        self._shell.kill()
        self._shell.wait(60)
        os.close(self._terminal)


@contextmanager
def shell(home: Path, *argv: str) -> Iterator[Shell]:
    one = Shell(home, *argv)
    try:
        one.wait_for("READY")
        yield one
    finally:
        one.close()


def check(one: Shell, home: Path, *, sudo: bool = True) -> None:
    for keys, words in TYPED.items():
        assert one.type(keys) == words
    if sudo:
        assert one.type("sudo leasewatch ip we\t") == ["leasewatch", "ip", "web1"]
    assert not (home / "owned").exists()


def test_bash_completes_where_bash_completion_finds_the_script(home: Path) -> None:
    folder = home / "share/bash-completion/completions"
    folder.mkdir(parents=True)
    for name in ("leasewatch", "pyvirt", "nss-pyvirt"):
        (folder / name).symlink_to(SCRIPTS / "completion.bash")
    loader = next(SHELLS.glob("usr/share/bash-completion/bash_completion"))
    (home / "bashrc").write_text(f". {loader}\nPS1='READY$ '\n")
    with shell(home, "bash", "--noprofile", "--rcfile", f"{home}/bashrc", "-i") as one:
        check(one, home)


def test_bash_completes_without_bash_completion(home: Path) -> None:
    line = 'eval "$(_LEASEWATCH_COMPLETE=bash_source leasewatch)"'
    (home / "bashrc").write_text(f"{line}\nPS1='READY$ '\n")
    with shell(home, "bash", "--noprofile", "--rcfile", f"{home}/bashrc", "-i") as one:
        check(one, home, sudo=False)  # which completes what follows sudo


@pytest.mark.parametrize("evaluated", [False, True], ids=["in fpath", "eval"])
def test_zsh_completes(home: Path, evaluated: bool) -> None:
    (home / "site").mkdir()
    (home / "site/_nss_pyvirt").symlink_to(SCRIPTS / "completion.zsh")
    theirs = SHELLS / "usr/share/zsh/functions"
    modules = next(SHELLS.glob("usr/lib/*/zsh/*"))
    line = 'eval "$(_LEASEWATCH_COMPLETE=zsh_source leasewatch)"'
    ours = "" if evaluated else f"{home}/site"
    (home / ".zshrc").write_text(
        f"module_path=({modules})\nfpath=({ours} {theirs} {theirs}/**/*(/N))\n"
        "autoload -Uz compinit && compinit -u -D\nunsetopt zle_bracketed_paste\n"
        f"{line if evaluated else ''}\nPS1='READY$ '\n"
    )
    with shell(home, str(SHELLS / "bin/zsh"), "-d", "-i") as one:
        check(one, home)


OFFERED_BY_FISH = {
    "leasewatch re": ["resolve"],
    "leasewatch ip we": ["web1"],
    "sudo leasewatch ip we": ["web1"],
    "leasewatch ip ev": [],
    "leasewatch list --network ": ["lab", "office"],
    "leasewatch list --state=ref": ["--state=refused"],
    "leasewatch list -c name,ad": ["name,address"],
    "pyvirt network st": ["start", "stop"],
    "pyvirt domain create x --disk disk-of": ["disk-of-web1.qcow2"],
    "pyvirt domain set x mem": ["memory="],
    "nss-pyvirt remove --root fol": ["folder/"],
}


def test_fish_completes(home: Path) -> None:
    folder = home / ".config/fish/completions"
    folder.mkdir(parents=True)
    for name in ("leasewatch", "pyvirt", "nss-pyvirt"):
        (folder / f"{name}.fish").symlink_to(SCRIPTS / "completion.fish")
    asked = "\n".join(f"complete -C '{line}'; echo ." for line in OFFERED_BY_FISH)
    done = subprocess.run(
        [SHELLS / "usr/bin/fish", "-c", asked],
        cwd=home, env=environment(home), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    answers = done.stdout.removesuffix(".\n").split(".\n")
    found = [[one.partition("\t")[0] for one in answer.splitlines()] for answer in answers]
    assert dict(zip(OFFERED_BY_FISH, found, strict=True)) == OFFERED_BY_FISH
    assert not (home / "owned").exists()
