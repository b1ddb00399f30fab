"""Files that are replaced whole or not at all, or opened safely; it knows no format and no path."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path


def replace(
    path: Path, content: bytes, *, mode: int = 0o644, owner: tuple[int, int] | None = None
) -> None:
    """Write a file by temp + fsync + rename; readers see the old content or the new.

    The folder is made where missing. `owner` is (uid, gid). On failure the old file stays and
    nothing is left beside it; raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, temp = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            os.fchmod(fd, mode)
            if owner is not None:
                os.fchown(fd, *owner)
            file.flush()
            os.fsync(fd)
        Path(temp).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temp).unlink()
        raise


def open_regular(path: Path, mode: int) -> int:
    """A descriptor to read and write a regular file, which is made with `mode` where missing.

    Safe in a folder of another user: it follows no link and waits for no FIFO. Raises OSError.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(path, flags, mode)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd
