"""Add images to the store, name and remove them. Each change of the index is one step."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import msgspec

from leasewatch.files import locks
from leasewatch.pyvirt.images.known import Image, Index, KnownImages
from leasewatch.pyvirt.images.names import check_name
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError
from nss_pyvirt.replacing import is_file

if TYPE_CHECKING:
    from leasewatch.pyvirt.images.describe import Described, Origin

_PATIENCE = 60.0  # seconds that another command may take to change the index
_PARTIAL: Final = ".new-"
"""How files begin that are being copied. Their writer has them locked."""


class Images(KnownImages):
    """The images below one root."""

    @contextlib.contextmanager
    def held(self, wanted: str) -> Iterator[Image]:
        """The image, which no other command removes meanwhile; see `get`."""
        with contextlib.ExitStack() as ours:
            with self._changing():
                image = self.get(wanted)
                ours.enter_context(_locked(self.file(image.sha256).path, fcntl.LOCK_SH))
            yield image

    def add(self, name: str, file: Path, origin: Origin | None = None) -> Image:
        """Copy a file under a name; see `taken`."""
        with self.taken(file, name=name, origin=origin) as image:
            return image

    @contextlib.contextmanager
    def taken(
        self,
        file: Path,
        *,
        name: str = "",
        origin: Origin | None = None,
        owned: bool = False,
        moves: bool = False,
    ) -> Iterator[Image]:
        """Take a file into the store, unpacked where it is packed. Nothing removes it meanwhile.

        `owned`: it is the caller's own file in a folder of `Paths.images`, locked, and may be
        renamed instead of copied. `moves`: the name may be another image's, which loses it.
        UserError where it is no disk, or where the name is taken; nothing is left then.
        """
        from leasewatch.pyvirt.images import describe  # noqa: PLC0415  start-up time

        if name:
            check_name(name)
        origin = origin or describe.file_origin(file)
        try:
            with contextlib.ExitStack() as ours:
                with _copying(origin.source, self._folder):
                    temp, made = self._incoming(ours, file, origin, owned=owned)
                    image = Image(
                        sha256=made.sha256,
                        names=(name,) if name else (),
                        format=made.format,
                        size=made.size,
                        source=origin.source,
                        added=time.time(),
                        arch=made.arch,
                        checksum=origin.checksum,
                    )
                    with self._changing():
                        image = self._insert(ours, temp, image, moves=moves)
                yield image
        finally:
            self.forget_unused()

    @contextlib.contextmanager
    def received(self, image: Image, fill: Callable[[BinaryIO], str]) -> Iterator[Image]:
        """Take an image that another host's store has, without its names, until this ends.

        `fill` writes the content and returns its SHA-256. A domain's definition keeps the image.
        UserError where the content is not the image's; nothing is left then.
        """
        try:
            with contextlib.ExitStack() as ours:
                temp = ours.enter_context(self._partial())
                with _copying(image.source, self._folder):
                    if fill(temp.file) != image.sha256:
                        raise UserError("its content has another digest", "try again", "invalid")
                    with self._changing():
                        image = msgspec.structs.replace(image, names=())
                        image = self._insert(ours, temp, image, moves=False)
                yield image
        finally:
            self.forget_unused()

    def _incoming(
        self, ours: contextlib.ExitStack, file: Path, origin: Origin, *, owned: bool
    ) -> tuple[_Partial | None, Described]:
        """A locked file that may be renamed, and what it is. None: that image is here, locked."""
        from leasewatch.pyvirt.images import describe, unpacking  # noqa: PLC0415  start-up time

        if file.exists() and not file.is_file():  # a FIFO or a device has no end
            raise UserError(f"image {origin.source} is not a file", "give a file", "invalid")
        opened = ours.enter_context(file.open("rb"))
        if (image := self._same(ours, opened)) is not None:
            return None, describe.Described(image.sha256, image.format, image.size, image.arch)
        if owned and unpacking.packing_of(opened) is None:
            return _Partial(opened, file), describe.described(opened, origin, file)
        temp = ours.enter_context(self._partial())
        return temp, describe.copied(opened, origin, temp.file, temp.path)

    def _same(self, ours: contextlib.ExitStack, opened: BufferedReader) -> Image | None:
        """The image that has the content of a file: reading costs less than a copy."""
        from leasewatch.pyvirt.images import describe  # noqa: PLC0415  start-up time

        size = os.fstat(opened.fileno()).st_size
        files = {image: self._file(image.sha256, image.format) for image in self._index()}
        alike = {image: path for image, path in files.items() if _size(path) == size}
        digest = describe.digest(opened) if alike else ""
        with self._changing(), contextlib.suppress(FileNotFoundError):
            for image, path in alike.items():
                if image.sha256 == digest:
                    ours.enter_context(_locked(path, fcntl.LOCK_SH))
                    return image
        return None

    def name(self, sha256: str, name: str) -> Image:
        """Give an image a name, which another image then loses."""
        check_name(name)
        with self._changing():
            image = self.get(sha256)
            if name not in image.names:
                image = msgspec.structs.replace(image, names=(*image.names, name))
                self._put(image, moves=True)
        self.forget_unused()
        return image

    def remove(self, wanted: str) -> Image:
        """Remove one of an image's names, and with the last one the image.

        UserError where a domain or another command uses that.
        """
        with self._changing(), contextlib.ExitStack() as ours:
            image = self.get(wanted)
            left = tuple(name for name in image.names if name != wanted)
            if left and wanted in image.names:
                self._put(msgspec.structs.replace(image, names=left))
                return image
            if users := self.users(image.sha256):
                what = f"image {wanted} is used by {', '.join(users)}"
                raise UserError(what, f"pyvirt domain show {shlex.quote(users[0])}", "running")
            path = self._file(image.sha256, image.format)
            try:
                if path.exists():
                    ours.enter_context(_locked(path, fcntl.LOCK_EX))
            except BlockingIOError:
                what = f"another command is just using image {wanted}"
                raise UserError(what, "try again", "running") from None
            self._store([each for each in self._index() if each.sha256 != image.sha256])
            path.unlink(missing_ok=True)
        self.forget_unused()
        return image

    def forget_unused(self) -> None:
        """Remove images without a name or a domain, and what killed commands have left."""
        if self._folder.exists():
            with self._changing():
                self._sweep()

    def _changing(self) -> AbstractContextManager[None]:
        """Keep other commands from changing the index."""
        return locks.exclusive(self._paths.locks / "images", _PATIENCE)

    def _insert(
        self, ours: contextlib.ExitStack, temp: _Partial | None, image: Image, *, moves: bool
    ) -> Image:
        """Give the copy its name, unless it is here already; the image as it is now."""
        path = self._file(image.sha256, image.format)
        former = next((each for each in self._index() if each.sha256 == image.sha256), None)
        if former is not None:
            names = tuple(dict.fromkeys((*former.names, *image.names)))
            checksum = image.checksum or former.checksum
            image = msgspec.structs.replace(former, names=names, checksum=checksum)
        self._check_name_is_free(image, moves=moves)
        if temp is not None and path.exists():
            ours.enter_context(_locked(path, fcntl.LOCK_SH))
        elif temp is not None:
            temp.path.chmod(0o400)
            os.fsync(temp.file.fileno())
            temp.path.rename(path)  # it stays locked
        if image != former:
            self._put(image, moves=moves)
        return image

    def _check_name_is_free(self, image: Image, *, moves: bool) -> None:
        for other in self._index():
            taken = set(image.names) & set(other.names)
            if taken and other.sha256 != image.sha256 and not moves:
                (name,) = taken
                what = f"there is another image {name} already"
                raise UserError(what, f"sudo pyvirt image remove {name}", "exists")

    def _put(self, image: Image, *, moves: bool = False) -> None:
        """Put the image into the index; with `moves`, others lose its names."""
        images = [image]
        for other in self._index():
            if other.sha256 != image.sha256:
                left = tuple(name for name in other.names if name not in image.names)
                images.append(msgspec.structs.replace(other, names=left) if moves else other)
        self._store(images)

    @contextlib.contextmanager
    def _partial(self) -> Iterator[_Partial]:
        """A new file to write to, which is locked, and removed in the end if it still has its name.

        The kernel drops the lock of a killed command.
        """
        from tempfile import mkstemp  # noqa: PLC0415  start-up time

        with self._changing():
            self._sweep()
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            fd, name = mkstemp(dir=self._folder, prefix=_PARTIAL)
            fcntl.flock(fd, fcntl.LOCK_SH)
        partial = _Partial(os.fdopen(fd, "r+b", buffering=0), Path(name))
        with partial.file:
            try:
                yield partial
            finally:
                partial.path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what no domain, no name and no running command uses."""
        index = self._index()
        used = b"\n".join(self._definitions().values())
        kept = []
        for image in index:
            path = self._file(image.sha256, image.format)
            if image.names or image.sha256.encode() in used or not _remove_unlocked(path):
                kept.append(image)
        if len(kept) < len(index):
            self._store(kept)
        known = {self._file(image.sha256, image.format).name for image in kept}
        for path in self._folder.glob("*"):
            digest = path.stem.removeprefix("sha256-")
            lost = digest != path.stem and path.name not in known and digest.encode() not in used
            if lost or path.name.startswith(_PARTIAL):
                _remove_unlocked(path)
        with contextlib.suppress(OSError):  # an image or a download is there
            self._folder.rmdir()

    def _store(self, images: list[Image]) -> None:
        if images:
            content = msgspec.json.format(msgspec.json.encode(Index(tuple(images))))
            replacing.replace(self._index_file, content + b"\n")
        else:
            self._index_file.unlink(missing_ok=True)


class _Partial(NamedTuple):
    file: BinaryIO
    path: Path


@contextlib.contextmanager
def _copying(source: str, folder: Path) -> Iterator[None]:
    """Make an OSError a UserError, which says where there is no room."""
    try:
        yield
    except OSError as error:
        what = f"cannot copy image {source}: {error.strerror}"
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        raise UserError(what, f"make room below {folder}" * full) from error


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    """Hold flock(2) on a file that is there; BlockingIOError where others hold it."""
    with path.open("rb") as file:
        fcntl.flock(file, how | fcntl.LOCK_NB)
        if not is_file(file.fileno(), path):
            raise FileNotFoundError(path)
        yield


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _remove_unlocked(path: Path) -> bool:
    """Whether the file is gone now: no command holds it."""
    try:
        with _locked(path, fcntl.LOCK_EX):
            path.unlink()
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True
