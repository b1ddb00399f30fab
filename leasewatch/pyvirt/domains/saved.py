"""The file of a saved guest, `DomainFiles.saved`: a header, then what its QEMU has written.

The header is written last: a file without it is not complete. It says with what the guest goes on,
and when its disks were written last. A guest whose disks have changed since must not go on, since
it remembers what was on them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.domains.qemu import Chosen, Drive
from leasewatch.pyvirt.files import DomainFiles
from nss_pyvirt.errors import UserError

OFFSET: Final = 1 << 16
"""Bytes of the header, zeroes at its end included."""
_MAGIC: Final = b"pyvirt saved guest 1\n"


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """What the header says."""

    domain: DomainDefinition
    """With which its QEMU was started."""
    accel: Chosen
    qemu: tuple[int, int, int]
    """The version that has written the file."""
    is_mapped: bool
    """Each page has its place in the file (mapped-ram); False: a stream."""
    was_paused: bool
    size: int
    """Bytes of the file."""
    since: float
    disks: tuple[int, ...]
    """When each file that the guest writes to was changed last, in nanoseconds."""


def write(fd: int, saved: Saved) -> None:
    """Complete a file; it is on the disk then. Raises OSError."""
    header = _MAGIC + msgspec.json.encode(saved)
    if len(header) > OFFSET:
        raise UserError("the definition is too long to be saved", code="invalid")
    os.fsync(fd)
    os.pwrite(fd, header.ljust(OFFSET, b"\0"), 0)
    os.fsync(fd)


def read(files: DomainFiles) -> Saved | None:
    """The header; None if no guest is saved. UserError for a file that is damaged or cut off."""
    try:
        with files.saved.open("rb") as opened:
            header = opened.read(OFFSET)
            size = os.fstat(opened.fileno()).st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {files.saved}: {error.strerror}") from error
    try:
        if not header.startswith(_MAGIC):
            raise _damaged(files, "it is no guest that this version has saved")
        saved = msgspec.json.decode(header.removeprefix(_MAGIC).rstrip(b"\0"), type=Saved)
    except UNDECODABLE as error:
        raise _damaged(files, str(error)) from None
    if size != saved.size:
        raise _damaged(files, f"it has {size} bytes of {saved.size}")
    return saved


def _damaged(files: DomainFiles, why: str) -> UserError:
    hint = f"put it back, or forget it: sudo pyvirt domain restore --discard {files.name}"
    return UserError(f"{files.saved} is damaged: {why}", hint, "invalid")


def unfinished(files: DomainFiles) -> Path:
    """The file while it is written."""
    return files.saved.with_suffix(".new")


def use_up(files: DomainFiles) -> None:
    """Remove the file: its guest runs. No error without it."""
    if not files.saved.exists():
        return
    files.saved.unlink()
    folder = os.open(files.data, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)  # a host that crashes now must not find it again
    finally:
        os.close(folder)


def written(drives: list[Drive]) -> list[Path]:
    """The files that a guest with these drives writes to."""
    return [layer.path for drive in drives for layer in drive.layers if layer.writable]


def changed(drives: list[Drive]) -> tuple[int, ...]:
    """When each of these files was changed last; OSError without one."""
    return tuple(path.stat().st_mtime_ns for path in written(drives))
