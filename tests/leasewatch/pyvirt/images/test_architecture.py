"""Which architecture a disk's system is for: types of partitions, and programs that UEFI starts."""

from __future__ import annotations

import json
import struct
import subprocess
import uuid
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import Format
from leasewatch.pyvirt.images import fat, partitions
from leasewatch.pyvirt.images.architecture import architecture
from leasewatch.pyvirt.images.disk_content import DiskContent
from leasewatch.pyvirt.images.known import KnownImages
from leasewatch.pyvirt.images.store import Images

LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
ROOT_ARM = "b921b045-1df0-41c3-af44-4c6f280d3fae"
ROOT_X86 = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
PREP = "9e1a2d38-c612-4316-aa26-8b49521e5a8b"
ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"


def gpt(*types: str, start: int = 2048) -> bytes:
    """The first bytes of a disk with such partitions, which all begin at the sector `start`."""
    header = b"EFI PART".ljust(72, b"\0") + (2).to_bytes(8, "little") + b"\x80\0\0\0" * 2
    where = start.to_bytes(8, "little")
    rows = (uuid.UUID(kind).bytes_le + bytes(16) + where for kind in types)
    return bytes(512) + header.ljust(512, b"\0") + b"".join(row.ljust(128, b"\0") for row in rows)


@pytest.mark.parametrize(
    ("types", "arch"),
    [
        ([LINUX, ROOT_ARM], "aarch64"),
        ([PREP, LINUX], "ppc64le"),
        ([ROOT_X86, ROOT_X86], "x86_64"),
        ([ROOT_X86, ROOT_ARM], None),
        ([LINUX], None),
        ([ESP], None),
        ([], None),
    ],
)
def test_types_of_partitions_say_it(types: list[str], arch: str | None) -> None:
    head = gpt(*types)
    assert architecture(lambda start, count: head[start : start + count]) == arch


@pytest.mark.parametrize("cut", [b"", b"\0" * 600, b"\0" * 512 + b"EFI PART" * 100])
def test_a_disk_that_is_cut_off_says_nothing(cut: bytes) -> None:
    assert architecture(lambda start, count: cut[start : start + count]) is None


def test_the_index_keeps_what_an_image_says(tmp_path: Path) -> None:
    disk, paths = tmp_path / "disk.raw", Paths(tmp_path)
    disk.write_bytes(gpt(ROOT_ARM).ljust(1 << 20, b"\0"))
    assert Images(paths).add("arm", disk).arch == "aarch64"
    assert KnownImages(paths).get("arm").arch == "aarch64"


def _esp(folder: Path, kind: Format, loaders: list[str], **options: object) -> DiskContent:
    """The content of a FAT disk with these files in EFI/BOOT."""
    files = folder / "esp/EFI/BOOT"
    files.mkdir(parents=True)
    for name in ("a name that is longer than eight letters", *loaders):
        (files / name).write_text(name)
    source = json.dumps({"driver": "vvfat", "dir": str(folder / "esp"), "rw": False, **options})
    disk = folder / "disk"
    argv = ["qemu-img", "convert", "-O", kind, f"json:{source}", str(disk)]
    subprocess.run(argv, check=True)
    return DiskContent(disk, kind)


@pytest.mark.parametrize(
    ("loaders", "arch"),
    [
        (["grub.cfg", "BOOTRISCV64.EFI"], "riscv64"),
        (["BOOTAA64.EFI"], "aarch64"),
        (["BOOTX64.EFI", "BOOTAA64.EFI"], None),
        (["shim.efi"], None),
    ],
)
def test_what_uefi_would_start_says_it(
    tmp_path: Path, loaders: list[str], arch: str | None
) -> None:
    floppy = _esp(tmp_path, "raw", loaders, floppy=True)  # without partitions
    start = 2048 * 512
    head = gpt(ESP)

    def read(at: int, count: int) -> bytes:
        return floppy.read(at - start, count) if at >= start else head[at : at + count]

    assert architecture(read) == arch


def test_an_mbr_and_qcow2_are_read_too(tmp_path: Path) -> None:
    content = _esp(tmp_path, "qcow2", ["BOOTAA64.EFI"], **{"fat-type": 16})
    (partition,) = partitions.listed(content.head())
    assert "BOOTAA64.EFI" in fat.names(content.read, partition.start, ("EFI", "BOOT"))


def _entry(name: str, kind: int, cluster: int) -> bytes:
    low, high = cluster & 0xFFFF, cluster >> 16
    return struct.pack("<11sB8xH4xHI", name.encode(), kind, high, low, 0)


def test_a_large_esp_has_fat32_and_folders_of_several_clusters() -> None:
    boot = bytearray(512)
    boot[510:] = b"\x55\xaa"
    struct.pack_into("<HBHBHH", boot, 11, 512, 1, 32, 1, 0, 0)
    struct.pack_into("<I", boot, 32, 200_000)
    struct.pack_into("<I", boot, 36, 1600)  # sectors of the table
    struct.pack_into("<I", boot, 44, 2)  # the root's cluster
    table, data = 32 * 512, (32 + 1600) * 512
    end = 0x0FFFFFFF
    many = b"".join(_entry(f"FILE{n:04}TXT", 0x20, 9) for n in range(16))
    parts = {
        0: bytes(boot),
        table: struct.pack("<6I", 0, 0, end, end, 5, end).ljust(512, b"\0"),
        data: _entry("EFI        ", 0x10, 3),
        data + 512: _entry("BOOT       ", 0x10, 4),
        data + 1024: many,
        data + 1536: _entry("BOOTAA64EFI", 0x20, 9),
    }

    def read(start: int, count: int) -> bytes:
        at = max(each for each in parts if each <= start)
        return parts[at].ljust(512, b"\0")[start - at : start - at + count]

    names = fat.names(lambda start, count: read(start - (1 << 20), count), 1 << 20, ("EFI", "BOOT"))
    assert len(names) == 17
    assert "BOOTAA64.EFI" in names


def test_a_broken_file_system_has_no_names() -> None:
    head = bytes(510) + b"\x55\xaa"
    assert fat.names(lambda start, count: head[start : start + count], 0, ("EFI",)) == frozenset()
    loop = bytearray(head)
    loop[11:24] = (512).to_bytes(2, "little") + b"\1\1\0\1\x10\0\0\x10\xf8\1\0"
    assert not fat.names(lambda start, count: bytes(loop)[start : start + count], 0, ("EFI",))


def test_a_disk_without_a_partition_table_says_nothing() -> None:
    """Bytes that would be partitions of type 41 (PReP), but not in a table with a signature."""
    assert architecture(lambda _, size: b"\x41" * size) is None
