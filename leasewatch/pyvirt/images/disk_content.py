"""Read parts of a disk as a guest would see it, from an image of any format."""

from __future__ import annotations

import os
from pathlib import Path

from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.defined.domain import Format
from leasewatch.pyvirt.images import architecture, partitions, qemu_img
from nss_pyvirt import programs


class DiskContent:
    """The content of an image; what qemu-img cannot read is empty."""

    def __init__(self, path: Path, format_: Format) -> None:
        self._path, self._format = path, format_

    def head(self) -> bytes:
        """As much as tells the partitions."""
        return self.read(0, partitions.HEAD)

    def architecture(self) -> Arch | None:
        """Which architecture its system is for; None where it does not say."""
        return architecture.architecture(self.read)

    def read(self, start: int, count: int) -> bytes:
        """At most `count` bytes from `start`."""
        if self._format == "raw":
            with self._path.open("rb") as file:
                return os.pread(file.fileno(), count, start)
        before = start % partitions.SECTOR
        size = -(-(before + count) // partitions.SECTOR) * partitions.SECTOR
        copied = os.memfd_create("part")
        try:
            part = qemu_img.part_command(self._path, self._format, start - before, size)
            argv = [programs.find(part[0], "qemu-utils"), *part[1:], f"/proc/self/fd/{copied}"]
            programs.Child(argv, kept=[copied]).reap()
            return os.pread(copied, count, before)
        finally:
            os.close(copied)
