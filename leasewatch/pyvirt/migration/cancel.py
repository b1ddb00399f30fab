"""Cancel a migration from another terminal: its driver takes the guest back, as after Ctrl-C."""

from __future__ import annotations

import os
import signal
from typing import Final

from leasewatch.files import holders
from leasewatch.paths import Paths
from leasewatch.pyvirt.files import DomainFiles
from nss_pyvirt import pidfds
from nss_pyvirt.errors import UserError

_ENDS: Final = 60.0  # seconds for the driver to end


def cancel(paths: Paths, name: str) -> None:
    """Wait until the guest goes on here alone; UserError if it is not moved, or has gone."""
    files = DomainFiles(paths, name)
    pidfd = holders.pidfd(files.driver)
    if pidfd is None:
        hint = f"see where it runs: pyvirt domain show {name}"
        raise UserError(f"domain {name} is not being moved", hint, "not-running")
    try:
        if files.handed_over.exists():
            raise _gone(files)
        pidfds.send(pidfd, signal.SIGINT)
        if not pidfds.wait(pidfd, _ENDS):
            what = f"the move of {name} has not ended within {_ENDS:g} s"
            raise UserError(what, f"see what it does: pyvirt domain show {name}", "timeout")
    finally:
        os.close(pidfd)
    if files.handed_over.exists() or not files.definition.exists():
        raise _gone(files)


def _gone(files: DomainFiles) -> UserError:
    what = f"it is too late to cancel: the guest of {files.name} goes on at the other host"
    return UserError(what, "move it back from there")
