"""Which installation answers, which one the service runs, and which others are on the PATH."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Final

from nss_pyvirt.checks import Row
from nss_pyvirt.installer import installation, pieces
from nss_pyvirt.installer.installation import Installation
from nss_pyvirt.installer.pieces import UNIT, System

SUBJECT: Final = "installation"


def check(system: System) -> Row:
    """The row of a running system; its command leaves one of several."""
    ours = installation.of(system.root, system.program)
    program = pieces.service_program(system)
    runs = installation.of(system.root, program) if program else ours
    called = on_path(system)
    others = [one for one in dict.fromkeys((runs, ours, *called)) if one != runs]
    shown = f"{ours}, {ours.version}" if ours.version else str(ours)
    if not system.at(runs.program).exists():
        what = f"{UNIT} runs {program}, which is missing; {shown} answers"
        return Row("bad", SUBJECT, what, installation.repair())
    if runs != ours:
        what = f"{ours} answers, but {UNIT} runs {runs}"
        return Row("bad", SUBJECT, what, _get_rid_of(ours, runs))
    runs_it = f"; {UNIT} runs it" if program else ""
    if not others:
        return Row("ok", SUBJECT, f"{shown}{runs_it}")
    first = f": it is `leasewatch` on your PATH ({called[0].program})" * (called[0] == others[0])
    what = f"{shown}{runs_it}; also installed: {others[0]}{first}"
    return Row("warn", SUBJECT, what, _get_rid_of(others[0], runs))


def _get_rid_of(other: Installation, runs: Installation) -> str:
    """The command that leaves one of two: the Debian package, or else what the service runs."""
    if other.kind == "deb":
        return f"sudo {runs.prefix}/bin/nss-pyvirt remove; {runs.uninstall}"
    return other.uninstall


def on_path(system: System) -> list[Installation]:
    """The installations whose `leasewatch` a shell finds, the one that it runs first."""
    folders = [*os.environ.get("PATH", os.defpath).split(":"), "/usr/local/bin", "/usr/bin"]
    programs = [str(PurePosixPath("/", folder, "leasewatch")) for folder in folders if folder]
    there = [one for one in programs if Path(one).is_file()]
    return list(dict.fromkeys(installation.of(system.root, one) for one in there))
