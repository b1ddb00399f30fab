"""A guest whose migration has lost its driver, because the command was killed.

Its parent looks from time to time. A guest that was not handed over goes on where it was. The
driver of a move holds a lock, which ends with its process.
"""

from __future__ import annotations

import contextlib
from typing import Final

from leasewatch.files import locks
from leasewatch.model import ARRIVING
from leasewatch.pyvirt.domains.status import MOVED, MOVES, Status
from leasewatch.pyvirt.files import DomainFiles
from nss_pyvirt.errors import UserError

REST: Final = "rest"
"""The socket, in /migration of QEMU's root folder, of the memory that a lost link has left."""
_LOOK: Final = 1.0  # seconds between looks
_PATIENCE: Final = 60.0
"""Seconds that a QEMU waits for a guest without a sender."""
_NEVER: Final = ("none", "setup", "failed", "cancelled")
"""States of an incoming migration in which no guest comes by itself."""


def to_resume(name: str, host: str) -> str:
    """The commands for a guest that only `host` may let run."""
    return (
        f"sudo pyvirt domain migrate {name} {host} --resume; only if {host} is gone for good: "
        f"sudo pyvirt domain resume --force {name}"
    )


def check_not_elsewhere(files: DomainFiles) -> None:
    """UserError if the guest was handed over to another host, which alone may let it run."""
    with contextlib.suppress(FileNotFoundError):
        host = files.handed_over.read_text()
        raise UserError(
            f"{files.name} was handed over to {host}, where it may run",
            to_resume(files.name, host),
            "running",
        )


class Moving:
    """One domain, as seen by its parent."""

    def __init__(self, files: DomainFiles) -> None:
        self._files = files
        self._alone = 0.0
        """Since when there is no driver; 0: there is one."""
        self._asked = False
        """QEMU has not answered yet: it may wait for memory, and takes few questions until then."""
        self.look_at = 0.0
        """When to look, monotonic seconds."""

    def goes_on(self) -> None:
        """The guest runs here, so no other host may let it run."""
        self._files.handed_over.unlink(missing_ok=True)

    @staticmethod
    def concerns(status: Status) -> bool:
        """Whether a guest in this state may depend on a command."""
        return status.state == ARRIVING or status.why in {MOVES, MOVED}

    def next_command(self, status: Status, now: float) -> str:
        """What to ask of QEMU; empty: nothing."""
        if now < self.look_at:
            return ""
        self.look_at = now + _LOOK
        if status.state == ARRIVING:
            return self._question(now)
        files = self._files
        if files.handed_over.exists() or files.saved.exists():
            return ""
        if any(locks.holder(lock) is not None for lock in (files.driver, files.saving)):
            return ""
        return "cont" if status.why == MOVED else "migrate_cancel"

    def _question(self, now: float) -> str:
        """What to ask of a QEMU whose guest has not come."""
        if locks.holder(self._files.receiver) is not None:
            self._alone = 0.0
            return ""
        self._alone = self._alone or now
        if self._asked or now < self._alone + _PATIENCE:
            return ""
        self._asked = True
        return "query-migrate"

    def is_lost(self, answer: object) -> bool:
        """Whether no guest will come, by the answer to `query-migrate`."""
        self._asked = False
        return isinstance(answer, dict) and answer.get("status", "none") in _NEVER
