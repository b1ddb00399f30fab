"""Which firmware an image needs, by its first bytes, and where UEFI's files may be. Pure."""

from __future__ import annotations

from typing import Final

from leasewatch.pyvirt.defined.domain import Firmware

SECTOR: Final = 512
HEAD: Final = 34 * SECTOR
"""Bytes that are looked at: boot sector, GPT header and 128 entries (UEFI specification, 5.3)."""
OVMF: Final = (
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
)
"""UEFI's program, which guests share, and the variables that each guest gets a copy of."""
PACKAGE: Final = "ovmf"
"""Debian's package of these."""

_BOOT_CODE: Final = 440
_MBR_TABLE, _MBR_ENTRY, _MBR_TYPE, _MBR_ESP = 446, 16, 4, 0xEF
_ESP: Final = bytes.fromhex("28732ac1 1ff8d211 ba4b00a0 c93ec93b")
_BIOS_BOOT: Final = b"Hah!IdontNeedEFI"


def needed(head: bytes) -> Firmware:
    """UEFI for a disk with an EFI system partition and nothing that a BIOS could start."""
    if any(head[:_BOOT_CODE]):
        return "bios"
    types = _gpt_types(head)
    if types:
        return "uefi" if _ESP in types and _BIOS_BOOT not in types else "bios"
    entries = (_MBR_TABLE + _MBR_ENTRY * number + _MBR_TYPE for number in range(4))
    return "uefi" if any(head[at : at + 1] == bytes([_MBR_ESP]) for at in entries) else "bios"


def _gpt_types(head: bytes) -> set[bytes]:
    """The types of the partitions in a GPT; empty without one."""
    header = head[SECTOR : 2 * SECTOR]
    if not header.startswith(b"EFI PART"):
        return set()
    first, count, size = (int.from_bytes(header[a:b], "little") for a, b in _FIELDS)
    size = max(size, 128)
    at = (first * SECTOR + size * number for number in range(min(count, 128)))
    return {head[start : start + 16] for start in at} - {b"", bytes(16)}


_FIELDS: Final = ((72, 80), (80, 84), (84, 88))
"""Of a GPT header: the first sector of the entries, how many there are, bytes of one."""
