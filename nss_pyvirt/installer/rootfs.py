"""Files of a system below a root, `/` or an image: find them as it does, replace them whole.

It does not know what the files are for. Errors are OSError, as the calls raise them.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath

from nss_pyvirt import replacing

_MAX_LINKS = 40  # as Linux, path_resolution(7)


def locate(root: Path, path: str) -> Path:
    """Where the absolute `path` of the system below `root` leads; no link leads out of `root`."""
    found = root
    left = list(reversed(PurePosixPath(path).parts[1:]))
    links = 0
    while left:
        part = left.pop()
        step = found.parent if part == ".." and found != root else found / part
        if part == "..":
            found = found if found == root else step
        elif not step.is_symlink():
            found = step
        else:
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(step))
            target = PurePosixPath(step.readlink())
            if target.is_absolute():
                found, target = root, target.relative_to("/")
            left.extend(reversed(target.parts))
    return found


def replace(path: Path, content: bytes, mode: int) -> Callable[[], None]:
    """Put a file there by temp + rename and return what puts back the former one, or none.

    A file that was there hands down its mode, owner and extended attributes (ACL, SELinux label);
    `mode` is for a new one.
    """
    former = path.read_bytes() if path.exists() else None
    try:
        path.parent.stat()  # a missing folder is an error
        inherit = partial(_inherit, path) if former is not None else lambda _: None
        replacing.replace(path, content, mode=mode, prepare=inherit)
    except OSError as error:
        error.filename = str(path)  # not the name of the temporary file
        raise

    def undo() -> None:
        if former is None:
            path.unlink(missing_ok=True)
        else:
            replace(path, former, mode)

    return undo


def _inherit(path: Path, fd: int) -> None:
    info = path.stat()
    if (info.st_uid, info.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(fd, info.st_uid, info.st_gid)
    os.fchmod(fd, info.st_mode & 0o7777)
    with contextlib.suppress(OSError):  # a file system without them, or labels that are not ours
        for name in os.listxattr(path):
            os.setxattr(fd, name, os.getxattr(path, name))


def make_folders(path: Path) -> Callable[[], None]:
    """Make the folder and those above it; the result removes the new ones that are empty."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)

    def undo() -> None:
        for folder in missing:
            remove_if_empty(folder)

    return undo


def remove_if_empty(folder: Path) -> bool:
    """Remove the folder if it is empty; False if it stays or does not exist."""
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR}:
            return False
        raise
    return True
