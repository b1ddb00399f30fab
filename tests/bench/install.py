"""From a bare Debian to `ssh web1` and back: what a user types, fetches, waits for and has left.

Each contestant gets a fresh container. Its apt has the lists, and reads packages from the disk: the
times are without a network. All start the tiny guest of packaging/guest, emulated.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from pathlib import Path

import click

from tests.bench import installers, tiny
from tests.bench.counts import Counts
from tests.bench.installers import Installer
from tests.bench.table import Row, Table, duration
from tests.bench.timing import BenchError
from tests.system.debian import debian, types
from tests.system.debs import publish_later
from tests.system.every_byte import differences, files
from tests.system.machine import Machine

TITLE = "from a bare Debian to `ssh web1` and back"
SUITES = {"bookworm": "12", "trixie": "13"}
_BOOT = 300.0
"""Seconds for a guest to boot, on a machine that has much else to do."""
_PREPARE = """
apt-get -qq update
install -d -m 0700 /home/user/.ssh
chown -R user: /home/user
"""
_SAID = {
    "packages": r"(\d+) newly installed|Installing: (\d+)",
    "download": r"(?:Need to get|Download size:) (?:[\d.,]+ .?B ?/ ?)?([\d.,]+ .?B)",
    "on disk": r"(?:operation,|Space needed:) ([\d.,]+ .?B)",
}
"""What apt says before it begins, on Debian 12 and on 13."""
_ONLY_SAY = "sudo apt install --no-install-recommends -o APT::Get::Assume-Yes=false --assume-no"
_OTHERS = (
    "/root/.bash_history",
    "/home/user/*",
    "/home/user/.ssh/*",
    "/srv",
    "/srv/*",
    "/run/sudo/*",
    "/run/sudo",
)


def measure(folder: Path, _: Counts) -> Table:
    """The table: a column for each contestant on each suite."""
    tiny.build(Path(__file__).resolve().parents[2])
    columns: dict[int, str] = {}
    figures: list[dict[str, str]] = []
    for suite, number in SUITES.items():
        for installer in installers.of(suite):
            columns[len(columns)] = f"{installer.name}, {number}"
            figures.append(_measure(suite, installer, folder))
    rows = [
        Row(what, {column: took.get(what, "") for column, took in enumerate(figures)})
        for what in dict.fromkeys(what for took in figures for what in took)
    ]
    return Table(TITLE, rows, columns)


class _Told(dict[str, str]):
    """The figures of a contestant; each is shown as it comes."""

    def __init__(self, who: str) -> None:
        super().__init__()
        self._who = who

    def __setitem__(self, what: str, figure: str) -> None:
        super().__setitem__(what, figure)
        click.echo(f"{self._who}: {what}: {figure}", err=True)


def _measure(suite: str, installer: Installer, folder: Path) -> dict[str, str]:
    told = _Told(f"{installer.name}, {suite}")
    fetched = ["--install-recommends", *installers.packages(suite)]
    with (
        tempfile.TemporaryDirectory(dir=folder) as work,
        debian(suite, None, Path(work, "console"), installed=[], fetched=fetched) as machine,
    ):
        home = machine.root / "home/user"
        for file in [*tiny.files(), *installer.debs]:
            shutil.copy(file, home)
        (home / "disk.img").write_bytes(bytes(2 << 20))
        machine.sh(_PREPARE, timeout=120)
        if installer.debs:
            publish_later(installer.debs, Path(work, "later"), machine)
        before, packages = files(machine.sh, _OTHERS), _packages(machine)
        try:
            _install(machine, installer, told)
            if installer.start:
                _start(machine, installer, told)
            _take_back(machine, installer, told)
        except BenchError as error:
            click.echo(f"{installer.name}, {suite}: {error}", err=True)
            return {**told, "stopped": "fails here"}
        came = _packages(machine) - packages
        told["packages left"] = str(len(came))
        if came:
            machine.run(["apt-get", "-qq", "purge", "--allow-remove-essential", *came], timeout=600)
        left = differences(before, files(machine.sh, _OTHERS))
        told["files left or changed, once those are purged, too"] = str(len(left))
        for line in left[:40]:
            click.echo(f"    {line[:150]}", err=True)
    return told


def _install(machine: Machine, installer: Installer, told: _Told) -> None:
    typed = [installer.install, *installer.start, *([installer.ssh] if installer.ssh else [])]
    told["commands"] = str(len(typed))
    if installer.lean:
        said = _typed(machine, f"{_ONLY_SAY} {installer.lean} || :")
        told["without recommended packages"] = ", ".join(
            _found(pattern, said) for pattern in _SAID.values()
        )
    begun = time.perf_counter()
    said = _typed(machine, installer.install)
    took = time.perf_counter() - begun
    for what, pattern in _SAID.items():
        told[what] = _found(pattern, said)
    told["apt install"] = duration(took)


def _start(machine: Machine, installer: Installer, told: _Told) -> None:
    machine.sh(installer.adapt, timeout=120)
    begun = time.perf_counter()
    for command in installer.start:
        _typed(machine, command)
    _log_in(machine, installer)
    told["from there until `ssh web1` answers"] = duration(time.perf_counter() - begun)
    begun = time.perf_counter()
    machine.reboot()
    _log_in(machine, installer)
    told["from `reboot` until `ssh web1` answers"] = duration(time.perf_counter() - begun)
    if installer.upgrade:
        _upgrade(machine, installer, told)


_ASK = """
systemd-run --quiet --collect --unit=ask --uid=nobody -- sh -c '
    while :; do getent hosts web1 >/dev/null && echo found || echo missed; sleep 0.02; done
' >/dev/null
"""


def _upgrade(machine: Machine, installer: Installer, told: _Told) -> None:
    """To a newer version, or to the same again, while a program asks for the name all the time."""
    boot = _typed(machine, f"{installer.ssh} cat /proc/sys/kernel/random/boot_id")
    machine.sh(_ASK)
    begun = time.perf_counter()
    for command in installer.upgrade:
        _typed(machine, command)
    told["upgrade while the guest runs"] = duration(time.perf_counter() - begun)
    machine.sh("systemctl stop ask")
    answers = machine.sh("journalctl -u ask -o cat --no-pager").splitlines()
    missed = answers.count("missed")
    told["lookups missed meanwhile"] = f"{missed} of {missed + answers.count('found')}"
    same = boot == _typed(machine, f"{installer.ssh} cat /proc/sys/kernel/random/boot_id")
    told["the guest runs on"] = "yes" if same else "no"


def _take_back(machine: Machine, installer: Installer, told: _Told) -> None:
    for what, commands in {"remove": installer.remove, "purge": installer.purge}.items():
        begun = time.perf_counter()
        for command in commands:
            _typed(machine, command)
        number = len(commands)
        took = duration(time.perf_counter() - begun)
        told[what] = f"{took}, {number} command{'s' * (number > 1)}"


def _packages(machine: Machine) -> set[str]:
    """The names of all that dpkg still knows files of."""
    return set(machine.sh("dpkg-query -W -f '${Package}:${Architecture}\n'").splitlines())


def _log_in(machine: Machine, installer: Installer) -> None:
    deadline = time.perf_counter() + _BOOT
    while not _answers(machine, installer):
        if time.perf_counter() > deadline:
            raise BenchError(f"{installer.ssh} does not answer within {_BOOT:g} s")
        time.sleep(0.1)


def _answers(machine: Machine, installer: Installer) -> bool:
    asked = f"{installer.ssh} hostname || true"
    return types(machine, asked, folder="").strip() == "web1"


def _typed(machine: Machine, command: str) -> str:
    """What the user's command prints; BenchError when it fails."""
    try:
        return types(machine, f"{command} 2>&1", folder="")
    except AssertionError as error:
        raise BenchError(str(error)[-2000:]) from None


def _found(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    return next(filter(None, found.groups())) if found else "?"
