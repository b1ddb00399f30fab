"""Read files that others may be writing. It knows no format."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Final, NamedTuple

MAX_BYTES = 64 << 20
"""The largest file that is read; 100,000 leases take about 8 MiB."""

Signature = tuple[int, ...]
"""Identifies a version of a file: device, inode, size, mtime and ctime in ns."""

Identity = tuple[int, int] | None
"""Identifies a folder or file: device and inode; None: it cannot be reached."""

_CHUNK: Final = 1 << 18
_signature: Callable[[os.stat_result], Signature] = attrgetter(
    "st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"
)


class Read(NamedTuple):
    """A file's bytes at one moment."""

    data: bytes
    signature: Signature
    torn: bool
    """It changed while it was read, so the bytes may belong to no version."""
    older: int = 0
    """How many of the bytes come from older files that belong to it (Kea)."""


def signature(path: str | Path) -> Signature | None:
    """The version of the file at `path`; None: it cannot be reached."""
    try:
        return _signature(os.stat(path))  # noqa: PTH116 (hot: a Path costs more than the call)
    except OSError:
        return None


def identity(path: str | Path) -> Identity:
    """The identity of the folder or file at `path`."""
    try:
        st = Path(path).stat()
    except OSError:
        return None
    return st.st_dev, st.st_ino


def modified(signature: Signature) -> float:
    """When the file was last written, Unix seconds."""
    return signature[3] / 1e9


def read(path: str | Path, former: bytes = b"") -> Read:
    """Read a whole regular file; OSError also if it is not regular or too large.

    If the file still holds the bytes `former`, they are returned: new memory for a large file takes
    several times as long as reading it.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode):
            raise OSError("not a regular file")
        if before.st_size > MAX_BYTES:
            raise OSError(f"larger than {MAX_BYTES >> 20} MiB")
        same = 0
        if before.st_size == len(former):
            while (chunk := os.pread(fd, _CHUNK, same)) and former.startswith(chunk, same):
                same += len(chunk)
        data = former if same and same == len(former) else os.pread(fd, before.st_size + 1, 0)
        after = _signature(os.fstat(fd))
    finally:
        os.close(fd)
    return Read(data, after, torn=_signature(before) != after or len(data) != before.st_size)
