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
    """The row of a running system; its command removes the one that the service does not run."""
    ours = installation.of(system.root, system.program)
    program = pieces.service_program(system)
    runs = installation.of(system.root, program) if program else ours
    called = on_path(system)
    others = [one for one in dict.fromkeys((runs, ours, *called)) if one != runs]
    shown = f"{ours}, {ours.version}" if ours.version else str(ours)
    if not system.at(runs.program).exists():
        what = f"{UNIT} runs {program}, which is missing; this is {shown}"
        return Row("bad", SUBJECT, what, installation.repair())
    if runs != ours:
        return Row("bad", SUBJECT, f"this is {ours}; {UNIT} runs {runs}", ours.uninstall)
    runs_it = f"; {UNIT} runs it" if program else ""
    if not others:
        return Row("ok", SUBJECT, f"{shown}{runs_it}")
    first = f": it is `leasewatch` on your PATH ({called[0].program})" * (called[0] == others[0])
    what = f"{shown}{runs_it}; also installed: {others[0]}{first}"
    return Row("warn", SUBJECT, what, others[0].uninstall)


def on_path(system: System) -> list[Installation]:
    """The installations whose `leasewatch` a shell finds, the one that it runs first."""
    folders = [*os.environ.get("PATH", os.defpath).split(":"), "/usr/local/bin", "/usr/bin"]
    programs = [str(PurePosixPath("/", folder, "leasewatch")) for folder in folders if folder]
    there = [one for one in programs if Path(one).is_file()]
    return list(dict.fromkeys(installation.of(system.root, one) for one in there))
