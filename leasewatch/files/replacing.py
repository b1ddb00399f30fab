"""Files that are replaced whole or not at all, or opened safely; it knows no format and no path."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from pathlib import Path


def replace(
    path: Path, content: bytes, *, mode: int = 0o644, owner: tuple[int, int] | None = None
) -> None:
    """Write a file by temp + fsync + rename; readers see the old content or the new.

    The folder is made where missing. `owner` is (uid, gid). On failure the old file stays and
    nothing is left beside it; raises OSError. What a killed writer has left the next one takes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, temp = _temporary(path)
    with os.fdopen(fd, "wb") as file:  # which locks it until it has its name
        try:
            file.write(content)
            os.fchmod(fd, mode)
            if owner is not None:
                os.fchown(fd, *owner)
            file.flush()
            os.fsync(fd)
            temp.replace(path)
        except BaseException:
            temp.unlink(missing_ok=True)
            raise


def _temporary(path: Path) -> tuple[int, Path]:
    """A new or emptied file beside `path`, open to write, and its name.

    It has always the same name, and a lock that ends with its writer, so that a killed writer
    leaves no more than one. Who finds it locked takes another name.
    """
    temp = path.with_name(f".{path.name}.new")
    fd = open_regular(temp, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_file(fd, temp):
            os.ftruncate(fd, 0)
            return fd, temp
    except BlockingIOError:
        pass
    except BaseException:
        os.close(fd)
        raise
    os.close(fd)  # another writer's, or its file by now
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    return fd, Path(name)


def is_file(fd: int, path: Path) -> bool:
    """Whether `path`, which is no link, leads to what is open as `fd`."""
    mine = os.fstat(fd)
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


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
