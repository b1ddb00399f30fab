"""Which firmware a disk needs, by its first bytes."""

from __future__ import annotations

import struct
import uuid

import pytest

from leasewatch.pyvirt.domains import firmware
from leasewatch.pyvirt.images import partitions

ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"


def head(table: str, *types: str, code: bytes = b"") -> bytes:
    """The first bytes of a disk with such partitions."""
    listed = ["ee"] if table == "gpt" else types
    entries = b"".join(bytes(4) + bytes([int(kind, 16)]) + bytes(11) for kind in listed)
    boot_sector = code.ljust(446, b"\0") + entries.ljust(64, b"\0") + b"\x55\xaa"
    if table == "dos":
        return boot_sector
    header = b"EFI PART".ljust(72, b"\0") + struct.pack("<QII", 2, 128, 128)
    entries_of_gpt = b"".join(uuid.UUID(kind).bytes_le.ljust(128, b"\1") for kind in types)
    return (boot_sector + header.ljust(512, b"\0") + entries_of_gpt).ljust(partitions.HEAD, b"\0")


@pytest.mark.parametrize(
    ("table", "types", "code", "needed"),
    [
        ("gpt", [ESP, LINUX], b"", "uefi"),
        ("gpt", [LINUX, ESP], b"", "uefi"),
        ("gpt", [LINUX, BIOS_BOOT, ESP], b"", "bios"),  # a cloud image
        ("gpt", [ESP, LINUX], b"\xeb\x63\x90", "bios"),  # with boot code
        ("gpt", [LINUX], b"", "bios"),
        ("dos", ["ef"], b"", "uefi"),
        ("dos", ["ef", "83"], b"\xeb\x63\x90", "bios"),
        ("dos", ["83"], b"", "bios"),
    ],
)
def test_uefi_is_for_disks_that_start_by_nothing_else(
    table: str, types: list[str], code: bytes, needed: str
) -> None:
    assert firmware.needed(head(table, *types, code=code)) == needed


@pytest.mark.parametrize(
    "cut", [b"", b"\0", b"\0" * 512, b"\0" * 512 + b"EFI PART", b"\0" * 512 + b"EFI PART" * 2000]
)
def test_a_disk_that_is_cut_off_or_nonsense_starts_by_bios(cut: bytes) -> None:
    assert firmware.needed(cut) == "bios"
