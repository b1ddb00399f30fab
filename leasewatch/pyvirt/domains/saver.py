"""The command that saves a guest, as the guest's parent sees it.

The parent acts when that command is killed: a guest whose file is complete must not go on, and any
other must.
"""

from __future__ import annotations

import os

from leasewatch.files import holders
from leasewatch.pyvirt.domains import saved
from leasewatch.pyvirt.files import DomainFiles


class Saver:
    """Whoever saves the guest of a running domain."""

    def __init__(self, files: DomainFiles) -> None:
        self._files = files
        self.fds: list[int] = []
        """A pidfd while the command is known to run: readable once it has ended."""

    def look(self) -> bool:
        """Whether a command is saving the guest, or was killed at that."""
        if not self.fds and (pidfd := holders.pidfd(self._files.saving)) is not None:
            self.fds.append(pidfd)
        return bool(self.fds) or self.is_lost()

    def is_lost(self) -> bool:
        """Whether that command was killed before it was known to run."""
        return not self.fds and self._files.saving.exists()

    def has_saved(self) -> bool:
        """Whether the file is complete."""
        return self._files.saved.exists()

    def forget(self) -> None:
        """Follow that command no longer."""
        while self.fds:
            os.close(self.fds.pop())

    def clear(self) -> None:
        """Remove what a killed command has left."""
        saved.unfinished(self._files).unlink(missing_ok=True)
        self._files.saving.unlink(missing_ok=True)
