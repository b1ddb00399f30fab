"""Copy an image, unpacked where it is packed, and hash it on the way."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from leasewatch.pyvirt.images import image_content
from leasewatch.pyvirt.images.image_content import Packing
from nss_pyvirt import programs
from nss_pyvirt.errors import UserError

_MOST: Final = 256 << 30
"""Bytes that a packed file may have inside. 3 MB can unpack to more than any disk holds."""
_AGAIN: Final = "the file may be incomplete: fetch it again"
_CHUNK: Final = 256 << 10
_ZEROS: Final = bytes(_CHUNK)
_FICLONE: Final = 0x40049409  # ioctl_ficlone(2)


def copy(source: BinaryIO, target: BinaryIO) -> str:
    """Fill the empty, unbuffered `target` with the content of `source`; its SHA-256, in hex.

    Blocks are shared where the file system can (reflink), and zeros take no room. OSError where
    it cannot be read or written, UserError where it cannot be unpacked.
    """
    packing = packing_of(source)
    shared = packing is None and _shares_blocks(source, target)
    digest, count = hashlib.sha256(), 0
    with _unpacked(source, packing) as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            count += len(chunk)
            if packing and count > _MOST:
                raise UserError(f"more than {_MOST >> 30} GiB are packed in it", code="invalid")
            if shared:
                continue
            if chunk == _ZEROS:
                target.seek(_CHUNK, os.SEEK_CUR)
            else:
                write_all(target, chunk)
    if not shared:
        target.truncate(count)
    return digest.hexdigest()


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write to an unbuffered file, which may take only a part at once.

    A buffered one would fail once more on a full disk when it is closed.
    """
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def packing_of(source: BinaryIO) -> Packing | None:
    """How it is compressed; it is at its beginning afterwards."""
    source.seek(0)
    head = source.read(image_content.HEAD)
    source.seek(0)
    return image_content.packing(head)


def _shares_blocks(source: BinaryIO, target: BinaryIO) -> bool:
    """Whether `target` has all of `source` now, without a copy."""
    with contextlib.suppress(OSError):
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
        return True
    return False


@contextlib.contextmanager
def _unpacked(source: BinaryIO, packing: Packing | None) -> Iterator[BinaryIO | io.BufferedIOBase]:
    """A reader of the content. Its errors, beyond those of the file, are a UserError."""
    import bz2  # noqa: PLC0415
    import gzip  # noqa: PLC0415
    import lzma  # noqa: PLC0415
    import zlib  # noqa: PLC0415

    try:
        if packing == "zstd":
            with _unzstd(source) as unpacked:
                yield unpacked
        elif packing is None:
            yield source
        else:
            kinds: dict[Packing, Callable[[BinaryIO], io.BufferedIOBase]] = {
                "xz": lzma.LZMAFile,
                "gzip": lambda file: gzip.GzipFile(fileobj=file),
                "bzip2": bz2.BZ2File,
            }
            with kinds[packing](source) as content:
                yield content
    except (lzma.LZMAError, zlib.error, EOFError) as error:
        raise UserError(f"cannot unpack it ({packing}): {error}", _AGAIN, "invalid") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise UserError(f"cannot unpack it ({packing}): {error}", _AGAIN, "invalid") from None


@contextlib.contextmanager
def _unzstd(source: BinaryIO) -> Iterator[BinaryIO]:
    """A reader of what zstd(1) unpacks. Python has a module of its own from 3.14 on."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    said = os.memfd_create("zstd")
    with os.fdopen(reading, "rb") as content, os.fdopen(said, "rb") as errors:
        try:
            program = programs.find("zstd", "zstd")
            child = programs.Child([program, "-dcq"], [source.fileno(), writing, said])
        finally:
            os.close(writing)
        try:
            yield content
        except BaseException:
            child.kill()
            child.reap()
            raise
        if child.reap():
            errors.seek(0)
            why = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise UserError(f"cannot unpack it: {why or 'zstd failed'}", _AGAIN, "invalid")
