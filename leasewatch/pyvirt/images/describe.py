"""Copy a file into the store, and check what it is."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import BinaryIO, NamedTuple

from leasewatch.pyvirt.defined.domain import Format
from leasewatch.pyvirt.images import image_content, qemu_img, unpacking
from nss_pyvirt.errors import UserError


class Copied(NamedTuple):
    """What the copy is; see `store.Image`."""

    sha256: str
    format: Format
    size: int


def copied(source: BinaryIO, path: Path, target: BinaryIO, copy: Path) -> Copied:
    """Copy the file `source`, whose path is `path`, into `target`, whose path is `copy`.

    UserError names `path` where the file is no disk.
    """
    try:
        digest = unpacking.copy(source, target)
    except UserError as error:
        raise UserError(f"image {path}: {error.what}", error.hint, error.code) from None
    target.seek(0)
    if found := image_content.fault(target.read(image_content.HEAD)):
        what, hint = found
        raise UserError(f"image {path} {what}", hint.format(shlex.quote(str(path))), "invalid")
    packed = unpacking.packing_of(source) is not None
    format_, size = _described(path, copy, packed=packed)
    return Copied(digest, format_, size)


def _described(path: Path, copy: Path, *, packed: bool) -> tuple[Format, int]:
    """The copy's format and virtual size."""
    try:
        info = qemu_img.parse_info(qemu_img.run(qemu_img.info_command(copy), "cannot read image"))
    except UserError as error:
        what = error.what.replace("cannot read image", f"cannot read image {path}", 1)
        raise UserError(what.replace(str(copy), str(path)), error.hint, error.code) from None
    name = path.stem if packed else path.name
    if name.lower().endswith(".qcow2") and info.format == "raw":
        # qemu-img takes an unknown format for a raw disk.
        raise UserError(
            f"image {path} is not qcow2 but raw, says qemu-img",
            f"see what it is: file {shlex.quote(str(path))}; a raw disk is taken as NAME.img",
            "invalid",
        )
    fault = None
    if info.format not in qemu_img.FORMATS:
        fault = f"is neither qcow2 nor raw but {info.format}, says qemu-img"
    elif info.size == 0:
        raise UserError(f"image {path} is a disk of 0 bytes", "give another one", "invalid")
    elif info.refers_to is not None:
        fault = f"continues in another file, {info.refers_to}"
    if fault is None:
        return ("raw" if info.format == "raw" else "qcow2"), info.size
    whole = path.with_name(f"{path.name}.whole.qcow2")
    command = shlex.join(qemu_img.convert_command(path, whole))
    hint = f"if you trust it: {'unpack it, then ' if packed else ''}{command}"
    raise UserError(f"image {path} {fault}", hint, "invalid")
