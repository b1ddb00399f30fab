"""A Debian with systemd, as somebody has it who reads the README: type its blocks there.

The user has sudo, and finds this project where `git clone URL` looks for it; apt and pip find all
that the README asks them for without a network.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import readme
from tests.shipped import ROOT, run
from tests.system.machine import Machine

PIP = "/opt/pyvirt/bin/pip"
"""What the README's blocks of a virtual environment have in them."""
_PYTHON = {"bookworm": "3.11", "trixie": "3.13", "sid": "3.14"}
_UNIFIED = {"sid"}
"""Suites whose systemd needs cgroups of version 2."""
_BASE = ["dbus", "sudo", "systemd"]
_SET_UP = """
useradd --create-home --shell /bin/sh user
echo 'user ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/user
echo 'APT::Get::Assume-Yes "true";' >/etc/apt/apt.conf.d/ours
echo 'Acquire::Languages "none";' >>/etc/apt/apt.conf.d/ours
grep -q "$(hostname)" /etc/hosts || echo "127.0.1.1 $(hostname)" >>/etc/hosts
printf '[safe]\n\tdirectory = *\n' >/etc/gitconfig
ln -s /srv/project /home/user/URL
"""

# Everything that is a file of the system's own: names, and the content of what install edits.
STATE = r"""
find / -xdev -path /proc -prune -o -path /sys -prune -o -path /run/systemd -prune -o \
    -path /opt/pyvirt -prune -o -path /var/log -prune -o -path /tmp -prune -o \
    -path /root/.cache -prune -o -path /home -prune -o \
    -path '/var/tmp/systemd-private-*' -prune -o -print | sort |
    grep -vE '^/etc/(passwd|group|shadow|gshadow)-$|^/var/cache/ldconfig|^/etc/\.pwd\.lock$'
cat /etc/nsswitch.conf /etc/passwd /etc/group /etc/shadow /etc/gshadow
ldconfig -p
systemctl list-unit-files --no-pager
"""


def packages(text: str) -> list[str]:
    """What the README has apt install, in this part of it."""
    lines = re.findall(r"^sudo apt install --no-install-recommends (.*)$", text, re.MULTILINE)
    return [name for line in lines for name in line.split()]


@contextmanager
def debian(
    suite: str,
    source: Path | None,
    console: Path,
    *,
    installed: list[str],
    fetched: list[str],
    wheels: Sequence[str] = (),
) -> Iterator[Machine]:
    """A booted Debian of a suite, with packages that are installed, or that apt can install.

    `source`: what `git clone URL` finds, if anything. `wheels`: what pip can install, besides what
    this project needs.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    made = [suite, _PYTHON[suite], " ".join([*_BASE, *installed]), " ".join(fetched)]
    root = run(
        Path(__file__).with_name("debian_root.sh"), *made, *needed, *wheels, timeout=2400
    ).strip()
    machine = Machine(Path(root), console, unified=suite in _UNIFIED)
    try:
        machine.sh(_SET_UP)
        if source is not None:
            _publish(source, machine.root / "srv/project")
        yield machine
    finally:
        machine.close()


def _publish(source: Path, folder: Path) -> None:
    """Make the source a repository there; git itself cannot work below /proc/PID/root."""
    with tempfile.TemporaryDirectory() as work:
        shutil.copytree(source, f"{work}/project")
        git = ["git", "-C", f"{work}/project", "-c", "user.name=x", "-c", "user.email=x@x"]
        for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "x"]):
            run(*git, *command)
        shutil.copytree(f"{work}/project", folder)
    folder.chmod(0o755)


def types(machine: Machine, script: str, folder: str = "nss-pyvirt") -> str:
    """Have the user type a block of the README, in a folder of theirs; returns what was printed."""
    as_user = ["runuser", "-u", "user", "--", "env", "HOME=/home/user", "sh", "-ec"]
    return machine.run([*as_user, f"cd ~/{folder}\n{script}"], timeout=900).stdout


def gets_it(machine: Machine, *wheels: Path) -> None:
    """Have the user do what "Get it, and try it" begins with, and put wheels into the folder."""
    types(machine, readme.scripts(readme.section("Get it"))[0], folder="")
    for wheel in wheels:
        shutil.copy(wheel, machine.root / "home/user/nss-pyvirt")
