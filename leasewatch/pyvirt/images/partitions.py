"""The partitions of a disk (UEFI specification, 5: MBR and GPT). Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

SECTOR: Final = 512
HEAD: Final = 34 * SECTOR
"""Bytes that are looked at: boot sector, GPT header and 128 entries."""

_BOOT_CODE: Final = 440
_MBR_TABLE, _MBR_ENTRY, _MBR_TYPE, _MBR_FIRST = 446, 16, 4, 8
_SIGNATURE: Final = slice(510, 512)
_FIELDS: Final = ((72, 80), (80, 84), (84, 88))
"""Of a GPT header: the first sector of the entries, how many there are, bytes of one."""


class Partition(NamedTuple):
    """A partition: the bytes of its type as they are on the disk, and where it begins, bytes."""

    type: bytes
    start: int


def has_boot_code(head: bytes) -> bool:
    """Whether there is something in the boot sector that a BIOS could start."""
    return any(head[:_BOOT_CODE])


def listed(head: bytes) -> list[Partition]:
    """The partitions by the first bytes of a disk: of its GPT, else of its MBR."""
    header = head[SECTOR : 2 * SECTOR]
    if not header.startswith(b"EFI PART"):
        if head[_SIGNATURE] != b"\x55\xaa":
            return []
        entries = (_mbr_entry(head, _MBR_TABLE + _MBR_ENTRY * number) for number in range(4))
        return [each for each in entries if any(each.type)]
    first, count, size = (int.from_bytes(header[a:b], "little") for a, b in _FIELDS)
    size = max(size, 128)
    found = []
    for at in (first * SECTOR + size * number for number in range(min(count, 128))):
        start = int.from_bytes(head[at + 32 : at + 40], "little") * SECTOR
        found.append(Partition(head[at : at + 16], start))
    return [each for each in found if len(each.type) == 16 and any(each.type)]


def _mbr_entry(head: bytes, at: int) -> Partition:
    kind = head[at + _MBR_TYPE : at + _MBR_TYPE + 1]
    first = int.from_bytes(head[at + _MBR_FIRST : at + _MBR_FIRST + 4], "little")
    return Partition(kind, first * SECTOR)
