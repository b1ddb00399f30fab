"""Find and run the system's tools, each with a deadline. What a failure means, the caller knows."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence

from nss_pyvirt.errors import UserError

_DESCRIPTORS = 8  # that a child takes: three pipes, and one by which it says that it has begun


def find(name: str, package: str = "") -> str:
    """Absolute path of a program, the sbin folders included; UserError names the Debian package."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        hint = f"apt install {package}" if package else ""
        raise UserError(f"{name} is not installed", hint, "missing")
    return found


def run(
    argv: Sequence[str], *, package: str = "", text: str = "", timeout: float = 10.0
) -> subprocess.CompletedProcess[str]:
    """Run a tool of the Debian package `package` to its end, with `text` on its standard input.

    UserError where it is not installed or has not ended after `timeout` seconds; it is killed then.
    OSError where no descriptor is left. The caller looks at the exit code.
    """
    program = find(argv[0], package)
    _check_room()
    try:
        return subprocess.run(
            [program, *argv[1:]],
            input=text,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        what = f"{argv[0]} has not ended within {timeout:g} s"
        hint = f"see whether this ends: {shlex.join(argv)}"
        raise UserError(what, hint, "timeout") from None


def _check_room() -> None:
    """OSError where no descriptors are left: subprocess would leak those that it still gets."""
    with contextlib.ExitStack() as room:
        for _ in range(_DESCRIPTORS):
            room.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
