"""Copy a file into the store, and check what it is."""

from __future__ import annotations

import hashlib
import shlex
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, NamedTuple

from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.defined.domain import Format
from leasewatch.pyvirt.images import image_content, qemu_img, unpacking
from leasewatch.pyvirt.images.disk_content import DiskContent
from nss_pyvirt.errors import UserError


class Origin(NamedTuple):
    """Where an image comes from."""

    source: str
    """The path or the URL, for messages."""
    file_name: str
    """With the endings that say what the file is."""
    checksum: str = ""
    """The publisher's, which it was checked against."""

    @property
    def is_url(self) -> bool:
        """Whether it was downloaded."""
        return "://" in self.source

    def fault(self, what: str, hint: str) -> UserError:
        """An error about it; `hint` has `{}` for its path, and is for files that are here."""
        if self.is_url:
            hint = "see in a browser what is there"
        quoted = shlex.quote(self.source)
        return UserError(f"image {self.source} {what}", hint.format(quoted), "invalid")


def file_origin(file: Path) -> Origin:
    """The origin of a file on this host."""
    return Origin(str(file), file.name)


class Described(NamedTuple):
    """What an image is; see `store.Image`."""

    sha256: str
    format: Format
    size: int
    arch: Arch | None


def copied(source: BinaryIO, origin: Origin, target: BinaryIO, copy: Path) -> Described:
    """Copy the file `source`, unpacked where it is packed, into `target` at the path `copy`.

    UserError names `origin` where the file is no disk.
    """
    try:
        sha256 = unpacking.copy(source, target)
    except UserError as error:
        what = f"image {origin.source}: {error.what}"
        raise UserError(what, error.hint, error.code) from None
    packed = unpacking.packing_of(source) is not None
    return _described(sha256, copy, *_checked(target, origin, copy, packed=packed))


def digest(file: BufferedReader) -> str:
    """The SHA-256 of a file, in hex."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()


def described(source: BufferedReader, origin: Origin, path: Path) -> Described:
    """What the file `source` at `path` is, which is not packed; UserError where it is no disk."""
    return _described(digest(source), path, *_checked(source, origin, path, packed=False))


def _described(sha256: str, path: Path, format_: Format, size: int) -> Described:
    return Described(sha256, format_, size, DiskContent(path, format_).architecture())


def _checked(file: BinaryIO, origin: Origin, path: Path, *, packed: bool) -> tuple[Format, int]:
    """Format and virtual size; `packed`: whether the file of the origin was."""
    file.seek(0)
    if found := image_content.fault(file.read(image_content.HEAD)):
        raise origin.fault(*found)
    info = _info(origin, path)
    name = origin.file_name.lower()
    if packed:
        name = name.rpartition(".")[0]
    if name.endswith(".qcow2") and info.format == "raw":
        # qemu-img takes an unknown format for a raw disk.
        hint = "see what it is: file {}; a raw disk is taken as NAME.img"
        raise origin.fault("is not qcow2 but raw, says qemu-img", hint)
    if info.size == 0:
        raise origin.fault("is a disk of 0 bytes", "give another one")
    fault = None
    if info.format not in qemu_img.FORMATS:
        fault = f"is neither qcow2 nor raw but {info.format}, says qemu-img"
    elif info.refers_to is not None:
        fault = f"continues in another file, {info.refers_to}"
    if fault is None:
        if info.format == "raw":
            return "raw", info.size
        if not qemu_img.is_whole(path):
            raise origin.fault("is damaged or incomplete, says qemu-img check", "fetch it again")
        return "qcow2", info.size
    whole = f"{origin.source}.whole.qcow2"
    command = shlex.join(qemu_img.convert_command(Path(origin.source), Path(whole)))
    hint = f"if you trust it: {'unpack it, then ' * packed}{command}"
    raise origin.fault(fault, hint.replace("{", "{{").replace("}", "}}"))


def _info(origin: Origin, path: Path) -> qemu_img.Info:
    try:
        printed = qemu_img.run(qemu_img.info_command(path), f"cannot read image {origin.source}")
        info = qemu_img.parse_info(printed)
    except UserError as error:
        what = error.what.replace(str(path), origin.source)
        raise UserError(what, error.hint, error.code) from None
    if info.encrypted:
        raise origin.fault("is encrypted: no guest could start from it", "decrypt it first")
    return info
