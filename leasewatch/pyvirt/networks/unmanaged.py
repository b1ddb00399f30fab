"""Have systemd-networkd, udev and NetworkManager leave our bridges and taps alone.

A catch-all .network file would take a tap off its bridge. Each started network writes its own files
and removes them when it stops. They name all bridges and taps, so one network's files are enough.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from leasewatch.paths import Paths
from leasewatch.pyvirt import process
from nss_pyvirt import programs, replacing
from nss_pyvirt.errors import UserError

_DEVICES = ("pv-*", "pv_*", "pvtap*")
_FIRST = "00-00-pyvirt-"  # systemd takes the first file that matches, in the order of their names
_NETWORK = f"[Match]\nName={' '.join(_DEVICES)}\n\n[Link]\nUnmanaged=yes\n"
_LINK = (
    f"[Match]\nOriginalName={' '.join(_DEVICES)}\n\n[Link]\nNamePolicy=\nMACAddressPolicy=none\n"
)
_NM_MATCH = ";".join(f"interface-name:{each}" for each in _DEVICES)
_NM = f"[device-pyvirt-{{}}]\nmatch-device={_NM_MATCH}\nmanaged=0\n"
_NETWORKD = ("lib/systemd/systemd-networkd", "usr/lib/systemd/systemd-networkd")
_PATIENCE = 5.0  # seconds for a program to load its settings


class _Setting(NamedTuple):
    folder: Path
    name: str
    """Of the file; `{}` stands for the network's."""
    content: str
    runs: Path
    """A file that exists while the program runs."""
    load: tuple[str, ...] = ()
    """The command that makes the program load it; empty: not needed."""


def write(paths: Paths, name: str) -> None:
    """Write the files of a network, and load them into programs that know no other network's."""
    for setting in _settings(paths):
        file = setting.folder / setting.name.format(name)
        content = setting.content.format(name)
        known = any(setting.folder.glob(setting.name.format("*")))
        try:
            if not file.exists() or file.read_text() != content:
                replacing.replace(file, content.encode())
        except OSError as error:
            process.note(f"other programs may take guests off their bridge: {error}")
            continue
        if setting.load and not known and setting.runs.exists():
            with contextlib.suppress(OSError, UserError):  # it has just ended
                programs.run(setting.load, package="systemd", timeout=_PATIENCE)


def remove(paths: Paths, name: str) -> None:
    """Remove the files of a network."""
    for setting in _settings(paths):
        (setting.folder / setting.name.format(name)).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody has files there, or it is gone
            setting.folder.rmdir()


def _settings(paths: Paths) -> Iterator[_Setting]:
    """For the programs that are installed."""
    if any((paths.root / program).exists() for program in _NETWORKD):
        runs = paths.root / "run/systemd/netif/state"
        load = ("networkctl", "reload")
        yield _Setting(paths.networkd, f"{_FIRST}{{}}.network", _NETWORK, runs, load)
        yield _Setting(paths.networkd, f"{_FIRST}{{}}.link", _LINK, runs)
    if (paths.root / "etc/NetworkManager").is_dir():
        runs = paths.root / "run/NetworkManager/NetworkManager.pid"
        nmcli = ("nmcli", "general", "reload", "conf")
        yield _Setting(paths.networkmanager, "pyvirt-{}.conf", _NM, runs, nmcli)
