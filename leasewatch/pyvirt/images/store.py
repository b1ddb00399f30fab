"""The images that pyvirt owns: add, find and remove them.

`index.json` is read for names. A domain's start needs only the digest's file (`Images.file`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shlex
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import msgspec

from leasewatch.errors import UNDECODABLE
from leasewatch.files import locks
from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import Format
from leasewatch.pyvirt.images import describe, image_content
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError
from nss_pyvirt.replacing import is_file
from nss_pyvirt.terminal import hints

_PATIENCE = 60.0  # seconds that another command may take to change the index
_PARTIAL: Final = ".new-"
"""How files begin that are being copied. Their writer has them locked."""
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image that pyvirt owns."""

    sha256: str
    """Of its content, in hex: what it is called."""
    names: tuple[str, ...] = ()
    """Without any it goes with the last domain that uses it."""
    format: Format
    size: int
    """Bytes that a guest sees."""
    source: str
    """The path or URL that it came from, as its owner wrote it."""
    added: float
    """Unix time."""
    checksum: str = ""
    """The publisher's, which it was checked against: `sha512:HEX`."""


class _Index(msgspec.Struct, frozen=True):
    images: tuple[Image, ...] = ()


class Disk(NamedTuple):
    """The file of an image, and its format."""

    path: Path
    format: Format


class Images:
    """The images below one root."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._folder = paths.images
        self._index_file = paths.images / "index.json"

    def known(self) -> list[Image]:
        """All images, named ones first, by name."""
        return sorted(self._index(), key=lambda image: (not image.names, image.names, image.added))

    def get(self, wanted: str) -> Image:
        """The image with that name, or whose digest begins so; UserError where there is none."""
        known = self._index()
        digits = wanted.removeprefix("sha256:")
        for image in known:
            if wanted in image.names:
                return image
        if _DIGEST.fullmatch(digits):
            found = [image for image in known if image.sha256.startswith(digits)]
            if len(found) == 1:
                return found[0]
        names = [name for image in known for name in image.names]
        hint = "pyvirt image list" if names else "sudo pyvirt image add NAME FILE"
        if meant := hints.likely(wanted, names):
            hint = f"did you mean {meant}?"
        raise UserError(f'there is no image "{wanted}"', hint, "not-found")

    def file(self, sha256: str) -> Disk:
        """Where the content with that digest is; UserError where it is gone."""
        formats: tuple[Format, ...] = ("qcow2", "raw")
        for format_ in formats:
            path = self._file(sha256, format_)
            if path.exists():
                return Disk(path, format_)
        what = f"image sha256-{sha256} is gone from {self._folder}"
        raise UserError(what, "put that file back", "not-found")

    def may_boot(self, sha256: str) -> bool:
        """Whether firmware may find a system on it."""
        try:
            with self.file(sha256).path.open("rb") as file:
                return image_content.may_boot(file.read(image_content.HEAD))
        except OSError as error:
            raise UserError(f"cannot read image {sha256}: {error.strerror}") from None

    def users(self, sha256: str) -> list[str]:
        """The domains that use it. One whose definition is broken counts, too."""
        return sorted(n for n, text in self._definitions().items() if sha256.encode() in text)

    @contextlib.contextmanager
    def held(self, wanted: str) -> Iterator[Image]:
        """The image, which no other command removes meanwhile; see `get`."""
        with contextlib.ExitStack() as ours:
            with self._changing():
                image = self.get(wanted)
                ours.enter_context(_locked(self.file(image.sha256).path, fcntl.LOCK_SH))
            yield image

    def add(self, name: str, file: Path, *, source: str = "", checksum: str = "") -> Image:
        """Copy a file under a name; see `taken`."""
        with self.taken(file, name=name, source=source, checksum=checksum) as image:
            return image

    @contextlib.contextmanager
    def taken(
        self, file: Path, *, name: str = "", source: str = "", checksum: str = ""
    ) -> Iterator[Image]:
        """Copy a file, unpacked where it is packed. No other command removes it meanwhile.

        UserError where it is no disk, or where another image has the name; nothing is left then.
        """
        if name:
            check_name(name)
        try:
            with contextlib.ExitStack() as ours:
                try:
                    image = self._copy(ours, file, name, source or str(file), checksum)
                except OSError as error:
                    raise UserError(f"cannot copy image {file}: {error.strerror}") from error
                yield image
        finally:
            self.forget_unused()

    def _copy(
        self, ours: contextlib.ExitStack, file: Path, name: str, source: str, checksum: str
    ) -> Image:
        opened = ours.enter_context(file.open("rb"))
        temp = ours.enter_context(self._partial())
        made = describe.copied(opened, file, temp.file, temp.path)
        image = Image(
            sha256=made.sha256,
            names=(name,) if name else (),
            format=made.format,
            size=made.size,
            source=source,
            added=time.time(),
            checksum=checksum,
        )
        with self._changing():
            return self._insert(ours, temp, image)

    def remove(self, wanted: str) -> Image:
        """Remove one of an image's names, and with the last one the image.

        UserError where a domain or another command uses that.
        """
        with self._changing(), contextlib.ExitStack() as ours:
            image = self.get(wanted)
            left = tuple(name for name in image.names if name != wanted)
            if left and wanted in image.names:
                self._write(image, msgspec.structs.replace(image, names=left))
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
            self._write(image, None)
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

    def _insert(self, ours: contextlib.ExitStack, temp: _Partial, image: Image) -> Image:
        """Give the copy its name, unless it is here already; the image as it is now."""
        known = {each.sha256: each for each in self._index()}
        for other in known.values():
            if other.sha256 != image.sha256 and set(image.names) & set(other.names):
                what = f"there is another image {image.names[0]} already"
                raise UserError(what, f"sudo pyvirt image remove {image.names[0]}", "exists")
        path = self._file(image.sha256, image.format)
        former = known.get(image.sha256)
        if former is not None and path.exists():
            temp.path.unlink()
            ours.enter_context(_locked(path, fcntl.LOCK_SH))
            names = tuple(dict.fromkeys((*former.names, *image.names)))
            image = msgspec.structs.replace(former, names=names)
        else:
            os.fchmod(temp.file.fileno(), 0o400)
            os.fsync(temp.file.fileno())
            temp.path.rename(path)  # it stays locked
        if image != former:
            self._write(former, image)
        return image

    @contextlib.contextmanager
    def _partial(self) -> Iterator[_Partial]:
        """A new file to write to, which is locked, and removed in the end if it still has its name.

        The kernel drops the lock of a killed command.
        """
        with self._changing():
            self._sweep()
            self._folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            fd, name = tempfile.mkstemp(dir=self._folder, prefix=_PARTIAL)
            fcntl.flock(fd, fcntl.LOCK_SH)
        partial = _Partial(os.fdopen(fd, "r+b"), Path(name))
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

    def _definitions(self) -> dict[str, bytes]:
        """The text of each domain's definition."""
        found = {}
        for file in self._paths.domain_definitions.glob("*.toml"):
            with contextlib.suppress(FileNotFoundError):
                found[file.stem] = file.read_bytes()
        return found

    def _file(self, sha256: str, format_: Format) -> Path:
        return self._folder / f"sha256-{sha256}.{format_}"

    def _index(self) -> tuple[Image, ...]:
        try:
            return msgspec.json.decode(self._index_file.read_bytes(), type=_Index).images
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise UserError(f"cannot read {self._index_file}: {error.strerror}") from None
        except UNDECODABLE as error:
            raise UserError(f"{self._index_file}: {error}", code="invalid") from None

    def _write(self, former: Image | None, image: Image | None) -> None:
        """Put `image` into the index in place of the former one."""
        others = (each for each in self._index() if former is None or each != former)
        self._store([*others, *([image] if image else [])])

    def _store(self, images: list[Image]) -> None:
        if images:
            content = msgspec.json.format(msgspec.json.encode(_Index(tuple(images))))
            replacing.replace(self._index_file, content + b"\n")
        else:
            self._index_file.unlink(missing_ok=True)


class _Partial(NamedTuple):
    file: BinaryIO
    path: Path


def check_name(name: str) -> None:
    """UserError for what cannot be an image's name."""
    if not _NAME.fullmatch(name) or _DIGEST.fullmatch(name):
        hint = "use up to 63 lower-case letters, digits, inner dots and hyphens, e.g. debian-12"
        raise UserError(f'"{name}" cannot be an image\'s name', hint, "invalid")


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    """Hold flock(2) on a file that is there; BlockingIOError where others hold it."""
    with path.open("rb") as file:
        fcntl.flock(file, how | fcntl.LOCK_NB)
        if not is_file(file.fileno(), path):
            raise FileNotFoundError(path)
        yield


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
