"""UEFI for guests: whether a new domain needs it, and its files.

All guests of an architecture share the program. Each domain has a copy of the variables, in which
the guest notes what to boot.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from leasewatch.paths import Paths
from leasewatch.pyvirt.domains import firmware
from leasewatch.pyvirt.domains.machines import MACHINES, Machine
from leasewatch.pyvirt.domains.qemu import Drive, Layer
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.images.disk_content import DiskContent
from leasewatch.pyvirt.images.known import KnownImages
from nss_pyvirt import replacing
from nss_pyvirt.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leasewatch.pyvirt.defined.architectures import Arch
    from leasewatch.pyvirt.defined.domain import DiskDefinition, Firmware
    from leasewatch.pyvirt.domains.plan import DomainRequest


def chosen(
    paths: Paths, request: DomainRequest, arch: Arch, disks: Sequence[DiskDefinition]
) -> Firmware:
    """The firmware of a new domain; UserError if that is not installed."""
    machine = MACHINES[arch]
    wanted: Firmware = "bios"
    if request.firmware != "auto":
        wanted = request.firmware
    elif not request.kernel and not machine.starts_disks:
        wanted = "uefi"
    elif disks and not request.kernel and arch == "x86_64":
        image = KnownImages(paths).file(disks[0].sha256)
        wanted = firmware.needed(DiskContent(*image).head())
    if wanted == "uefi" and machine.uefi:
        has_other = request.firmware == "auto" and machine.starts_disks
        _installed(machine, "bios" if has_other else "")
    return wanted


def drives(files: DomainFiles, arch: Arch) -> list[Drive]:
    """The two flash chips; the variables are copied if the domain has none yet."""
    program, variables = _installed(MACHINES[arch])
    try:
        if not files.uefi.exists():
            replacing.replace(files.uefi, variables.read_bytes())
    except OSError as error:
        raise UserError(f"cannot make {files.uefi}: {error.strerror}") from error
    chips = Layer(program, "raw"), Layer(files.uefi, "raw", writable=True)
    return [Drive((chip,), "pflash") for chip in chips]


def program_size(arch: Arch) -> int:
    """Bytes of the installed UEFI program; two hosts need the same for a migration."""
    return _installed(MACHINES[arch])[0].stat().st_size


def _installed(machine: Machine, instead: str = "") -> tuple[Path, Path]:
    """The installed program and variables; `instead`: another firmware that the hint names."""
    for pair in machine.uefi:
        program, variables = map(Path, pair)
        if program.exists() and variables.exists():
            return program, variables
    what = "this image starts by UEFI alone" if instead else "the guest starts by UEFI"
    package = machine.uefi_package
    hint = f"apt install {package}" + (f", or try --firmware {instead}" if instead else "")
    raise UserError(f"{what}, and {package} is not installed", hint, "missing")
