"""Which architecture the system on a disk is for, by what its partitions say. Pure.

Three things tell it: types of partitions that belong to one architecture (the Discoverable
Partitions Specification), and the names of the programs that UEFI starts (EFI/BOOT/BOOT*.EFI).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Final

from leasewatch.pyvirt.defined.architectures import Arch
from leasewatch.pyvirt.images import fat, partitions

Read = Callable[[int, int], bytes]
"""Reads bytes of a disk as a guest sees it: from where, how many at most."""

_BY_UUID: Final[dict[str, Arch]] = {
    "4f68bce3-e8cd-4db1-96e7-fbcaf984b709": "x86_64",  # root
    "8484680c-9521-48c6-9c11-b0720656f69e": "x86_64",  # usr
    "21686148-6449-6e6f-744e-656564454649": "x86_64",  # BIOS boot
    "b921b045-1df0-41c3-af44-4c6f280d3fae": "aarch64",
    "b0e01050-ee5f-4390-949a-9101b17104e9": "aarch64",
    "c31c45e6-3f39-412e-80fb-4809c4980599": "ppc64le",
    "15bb03af-77e7-4d4a-b12b-c0d084f7491c": "ppc64le",
    "9e1a2d38-c612-4316-aa26-8b49521e5a8b": "ppc64le",  # PReP boot
    "72ec70a6-cf74-40e6-bd49-4bda08e8f224": "riscv64",
    "beaec34b-8442-439b-a40b-984381ed097d": "riscv64",
}
_TYPES: Final = {uuid.UUID(text).bytes_le: arch for text, arch in _BY_UUID.items()}
_PREP_OF_MBR: Final = b"\x41"
_ESP: Final = (uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b").bytes_le, b"\xef")
_PROGRAMS: Final[dict[str, Arch]] = {
    "BOOTX64.EFI": "x86_64",
    "BOOTAA64.EFI": "aarch64",
    "BOOTRISCV64.EFI": "riscv64",
}


def architecture(read: Read) -> Arch | None:
    """The architecture; None where the disk does not say one, or says several."""
    found = {*_by_partitions(read)}
    return found.pop() if len(found) == 1 else None


def _by_partitions(read: Read) -> list[Arch]:
    listed = partitions.listed(read(0, partitions.HEAD))
    told = [_TYPES[each.type] for each in listed if each.type in _TYPES]
    told += ["ppc64le" for each in listed if each.type == _PREP_OF_MBR]
    for each in listed if not told else ():
        if each.type in _ESP:
            names = fat.names(read, each.start, ("EFI", "BOOT"))
            told += [arch for name, arch in _PROGRAMS.items() if name in names]
    return told
