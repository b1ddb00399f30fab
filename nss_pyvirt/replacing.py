"""Replace a file whole or not at all, and open files safely in folders of other users."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def replace(
    path: Path,
    content: bytes,
    *,
    mode: int = 0o644,
    owner: tuple[int, int] | None = None,
    prepare: Callable[[int], None] = lambda _: None,
) -> None:
    """Write a file by temp + fsync + rename; readers see the old content or the new.

    The folder is made where missing. `owner` is (uid, gid). `prepare` gets the descriptor last and
    may set other attributes. Raises OSError; the old file stays then, and nothing is left beside
    it. The next writer reuses the temporary file of a killed one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, temp = _temporary(path)
    with os.fdopen(fd, "wb") as file:  # which locks it until it has its name
        try:
            file.write(content)
            os.fchmod(fd, mode)
            if owner is not None:
                os.fchown(fd, *owner)
            prepare(fd)
            file.flush()
            os.fsync(fd)
            temp.replace(path)
        except BaseException:
            temp.unlink(missing_ok=True)
            raise


def _temporary(path: Path) -> tuple[int, Path]:
    """A new or emptied file beside `path`, open to write, and its name.

    Its name is always the same, and its writer locks it, so that killed writers leave one file at
    most. A second writer finds it locked and takes another name.
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
    import tempfile  # noqa: PLC0415  # 5 ms, and seldom needed

    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    return fd, path.with_name(os.path.basename(name))  # noqa: PTH119  start-up time


def is_file(fd: int, path: str | Path) -> bool:
    """Whether the file at `path`, which must not be a link, is the one that is open as `fd`."""
    mine = os.fstat(fd)
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def open_regular(path: str | Path, mode: int) -> int:
    """A descriptor to read and write a regular file; a missing one is made with `mode`.

    Safe in a folder of another user: follows no link and waits for no FIFO. Raises OSError.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    fd = os.open(path, flags, mode)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd
