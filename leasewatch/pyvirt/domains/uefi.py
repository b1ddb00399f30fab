"""UEFI for guests: whether a new domain needs it, and its files.

The program is OVMF's, which all guests share. Each domain has a copy of the variables, in which the
guest notes what to boot.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from leasewatch.paths import Paths
from leasewatch.pyvirt.domains import firmware
from leasewatch.pyvirt.domains.qemu import Drive, Layer
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.images import qemu_img
from leasewatch.pyvirt.images.known import Disk, KnownImages
from nss_pyvirt import programs, replacing
from nss_pyvirt.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leasewatch.pyvirt.defined.domain import DiskDefinition, Firmware
    from leasewatch.pyvirt.domains.plan import DomainRequest


def chosen(paths: Paths, request: DomainRequest, disks: Sequence[DiskDefinition]) -> Firmware:
    """The firmware of a new domain; UserError if that is not installed."""
    wanted: Firmware = "bios"
    if request.firmware != "auto":
        wanted = request.firmware
    elif disks and not request.kernel:
        wanted = firmware.needed(_head(KnownImages(paths).file(disks[0].sha256)))
    if wanted == "uefi":
        _ovmf("bios" if request.firmware == "auto" else "")
    return wanted


def drives(files: DomainFiles) -> list[Drive]:
    """The two flash chips; the variables are copied if the domain has none yet."""
    program, variables = _ovmf()
    try:
        if not files.uefi.exists():
            replacing.replace(files.uefi, variables.read_bytes())
    except OSError as error:
        raise UserError(f"cannot make {files.uefi}: {error.strerror}") from error
    chips = Layer(program, "raw"), Layer(files.uefi, "raw", writable=True)
    return [Drive((chip,), "pflash") for chip in chips]


def program_size() -> int:
    """Bytes of the installed UEFI program; two hosts need the same for a migration."""
    return _ovmf()[0].stat().st_size


def _ovmf(instead: str = "") -> tuple[Path, Path]:
    """The installed program and variables; `instead`: another firmware that the hint names."""
    for pair in firmware.OVMF:
        program, variables = map(Path, pair)
        if program.exists() and variables.exists():
            return program, variables
    what = "this image starts by UEFI alone" if instead else "the guest starts by UEFI"
    hint = f"apt install {firmware.PACKAGE}" + (f", or try --firmware {instead}" if instead else "")
    raise UserError(f"{what}, and OVMF is not installed", hint, "missing")


def _head(image: Disk) -> bytes:
    """The first bytes that a guest sees; empty if qemu-img cannot read them."""
    if image.format == "raw":
        with image.path.open("rb") as file:
            return file.read(firmware.HEAD)
    head = os.memfd_create("head")
    try:
        argv = [programs.find(qemu_img.PROGRAM, "qemu-utils"), "dd", "-f", image.format]
        argv += ["-O", "raw", f"bs={firmware.HEAD}", "count=1", f"if={image.path}"]
        programs.Child([*argv, f"of=/proc/self/fd/{head}"], kept=[head]).reap()
        return os.pread(head, firmware.HEAD, 0)
    finally:
        os.close(head)
