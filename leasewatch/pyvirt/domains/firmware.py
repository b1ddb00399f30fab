"""Which firmware an image needs, by its first bytes. Pure."""

from __future__ import annotations

from typing import Final

from leasewatch.pyvirt.defined.domain import Firmware
from leasewatch.pyvirt.images import partitions

_ESP: Final = (bytes.fromhex("28732ac1 1ff8d211 ba4b00a0 c93ec93b"), b"\xef")
_BIOS_BOOT: Final = b"Hah!IdontNeedEFI"


def needed(head: bytes) -> Firmware:
    """UEFI for a PC's disk with an EFI system partition and nothing that a BIOS could start."""
    if partitions.has_boot_code(head):
        return "bios"
    types = {each.type for each in partitions.listed(head)}
    return "uefi" if types.intersection(_ESP) and _BIOS_BOOT not in types else "bios"
