"""What QEMU needs to run a guest of each architecture: one table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from leasewatch.pyvirt.defined.architectures import Arch

Chosen = Literal["kvm", "tcg"]


class Machine(NamedTuple):
    """A guest's hardware, in QEMU's words, and the files that start its disks."""

    program: str
    package: str
    """Debian's package of the program."""
    newest: str
    """The machine type that means another one in each version of QEMU."""
    console: str
    """What a guest calls its first serial port."""
    options: Mapping[Chosen, str]
    """Of the machine type."""
    processor: Mapping[Chosen, str]
    cdrom: Sequence[str]
    """Devices; the last one gets the drive."""
    own_devices: Sequence[str] = ()
    """What tells when the guest's kernel panics (pseries itself does), and a keyboard."""
    credentials: Literal["smbios", "fw_cfg", ""] = ""
    """How a guest without cloud-init gets its host name and keys; empty: not at all."""
    memory_step: int = 1
    """MiB; a guest's memory must be a multiple."""
    has_power_key: bool = False
    """Whether its keyboard has a power button too: `system_powerdown` does not reach all guests.

    riscv64 has none, and Debian's cloud kernel for aarch64 sees it only after a start by UEFI.
    """
    uefi: Sequence[tuple[str, str]] = ()
    """Where UEFI's program may be, which guests share, and the variables, which each one copies."""
    uefi_package: str = ""
    """Debian's package of these; empty: there is no UEFI."""
    starts_disks: bool = True
    """Whether the machine has a firmware of its own that starts a disk."""


_EDK2: Final = "/usr/share/edk2"
_DEBIAN_RISCV: Final = "/usr/share/qemu-efi-riscv64"
_SCSI_CD: Final = ("virtio-scsi-pci,id=scsi", "scsi-cd,bus=scsi.0")

_X86: Final = Machine(
    program="qemu-system-x86_64",
    package="qemu-system-x86",
    newest="q35",
    console="ttyS0",
    options={"kvm": "", "tcg": ""},
    processor={"kvm": "host", "tcg": "max"},
    cdrom=("ide-cd",),
    own_devices=("pvpanic",),
    credentials="smbios",
    uefi=(
        ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
        (f"{_EDK2}/ovmf/OVMF_CODE.fd", f"{_EDK2}/ovmf/OVMF_VARS.fd"),
        (f"{_EDK2}/x64/OVMF_CODE.4m.fd", f"{_EDK2}/x64/OVMF_VARS.4m.fd"),
    ),
    uefi_package="ovmf",
)
_ARM: Final = Machine(
    program="qemu-system-aarch64",
    package="qemu-system-arm",
    newest="virt",
    console="ttyAMA0",
    # The default, version 2, has 8 processors at most.
    options={"kvm": ",gic-version=host", "tcg": ",gic-version=3"},
    # Emulating ARM's own algorithm for signed pointers would make guests several times slower.
    processor={"kvm": "host", "tcg": "max,pauth-impdef=on"},
    cdrom=_SCSI_CD,
    own_devices=("pvpanic-pci", "virtio-keyboard-pci"),
    credentials="fw_cfg",
    has_power_key=True,
    uefi=(
        ("/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
        (f"{_EDK2}/aarch64/QEMU_EFI-pflash.raw", f"{_EDK2}/aarch64/vars-template-pflash.raw"),
        (f"{_EDK2}/aarch64/QEMU_CODE.fd", f"{_EDK2}/aarch64/QEMU_VARS.fd"),
    ),
    uefi_package="qemu-efi-aarch64",
    starts_disks=False,
)
_NO_MITIGATIONS: Final = ",cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off"
_PPC: Final = Machine(
    program="qemu-system-ppc64",
    package="qemu-system-ppc",
    newest="pseries",
    console="hvc0",
    # An emulated processor cannot promise that it has no Spectre.
    options={"kvm": "", "tcg": _NO_MITIGATIONS},
    processor={"kvm": "host", "tcg": "power9"},
    cdrom=_SCSI_CD,
    memory_step=256,
)
_RISCV: Final = Machine(
    program="qemu-system-riscv64",
    package="qemu-system-misc",  # since Debian 13 it needs qemu-system-riscv
    newest="virt",
    console="ttyS0",
    options={"kvm": "", "tcg": ""},
    processor={"kvm": "host", "tcg": "rv64"},
    cdrom=_SCSI_CD,
    own_devices=("pvpanic-pci", "virtio-keyboard-pci"),
    credentials="fw_cfg",
    has_power_key=True,
    uefi=(
        (f"{_DEBIAN_RISCV}/RISCV_VIRT_CODE.fd", f"{_DEBIAN_RISCV}/RISCV_VIRT_VARS.fd"),
        (f"{_EDK2}/riscv/RISCV_VIRT_CODE.fd", f"{_EDK2}/riscv/RISCV_VIRT_VARS.fd"),
    ),
    uefi_package="qemu-efi-riscv64",
    starts_disks=False,
)
MACHINES: Final[Mapping[Arch, Machine]] = MappingProxyType(
    {"x86_64": _X86, "aarch64": _ARM, "ppc64le": _PPC, "riscv64": _RISCV}
)
