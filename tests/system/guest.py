"""The tiny guest that packaging/guest builds, for domains of a world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class GuestFiles:
    """What packaging/guest built: boot files, and how ssh gets in without asking."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.gz"

    @property
    def ssh_config(self) -> Path:
        """For /etc/ssh/ssh_config.d: the key to log in with and the guests' host key."""
        return self.folder / "ssh_config"
