"""Reading files that others write while we read; it knows nothing of what they hold."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

MAX_BYTES = 64 << 20
"""Of one file; 100,000 leases take about 8 MiB."""

Signature = tuple[int, ...]
"""Which file it is and when it changed last: device, inode, size, mtime and ctime in ns."""

Identity = tuple[int, int] | None
"""Which folder or file it is: device and inode; None: none that can be reached."""


class Read(NamedTuple):
    """A file's bytes at one moment."""

    data: bytes
    signature: Signature
    torn: bool
    """It changed while it was read: the bytes may be of no version."""
    older: int = 0
    """How many of the bytes are those of its older parts."""


def signature(path: str | Path) -> Signature | None:
    """Of the file at `path`; None: there is none, or it cannot be reached."""
    try:
        return _signature(os.stat(path))  # noqa: PTH116 (hot: a Path costs more than the call)
    except OSError:
        return None


def identity(path: str | Path) -> Identity:
    """Of the folder or file at `path`."""
    try:
        st = Path(path).stat()
    except OSError:
        return None
    return st.st_dev, st.st_ino


def modified(signature: Signature) -> float:
    """When the file was written last, Unix seconds."""
    return signature[3] / 1e9


def read(path: str | Path) -> Read:
    """Read a regular file whole; raises OSError, also when it is no regular file or too large."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        before = os.fstat(fd)
        if not stat.S_ISREG(before.st_mode):
            raise OSError("not a regular file")
        if before.st_size > MAX_BYTES:
            raise OSError(f"larger than {MAX_BYTES >> 20} MiB")
        data = os.read(fd, before.st_size + 1)
        after = _signature(os.fstat(fd))
    finally:
        os.close(fd)
    return Read(data, after, torn=_signature(before) != after or len(data) != before.st_size)


def _signature(st: os.stat_result) -> Signature:
    return st.st_dev, st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns
