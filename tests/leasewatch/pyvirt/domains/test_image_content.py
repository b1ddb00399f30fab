"""Which files are refused as a disk by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from leasewatch.pyvirt.domains import disk, image_content
from nss_pyvirt.errors import UserError

SECTOR = bytes(510) + b"\x55\xaa"
KERNEL = b"MZ" + bytes(508) + b"\x55\xaa"  # a bzImage has a boot sector's mark, too
ZSTD = bytes.fromhex("28b52ffd240161")

# content, what the error calls it, how the hint begins
REFUSED = {
    "xz": (lzma.compress(SECTOR), "is compressed (xz)", "unpack it first: unxz -k '"),
    "gzip": (gzip.compress(SECTOR), "is compressed (gzip)", "unpack it first: gunzip -k '"),
    "bzip2": (bz2.compress(SECTOR), "is compressed (bzip2)", "unpack it first: bunzip2 -k '"),
    "zstd": (ZSTD, "is compressed (zstd)", "unpack it first: unzstd '"),
    "zip": (b"PK\x03\x04" + bytes(600), "is compressed (zip)", "unpack it first: unzip '"),
    "a program": (
        b"\x7fELF" + bytes(600),
        "is a program or a kernel (ELF), not a disk",
        "if it is",
    ),
    "a kernel": (
        KERNEL,
        "is a kernel or an EFI program, not a disk",
        "if it is a kernel: --kernel",
    ),
    "nothing": (b"", "is empty", "give an image with a system on it"),
    "a name": (b"pyvirt-world\n", "is a text file, not a disk", "see what it says: head '"),
    "a page": (
        "<p>Fehler: nicht gefunden, schöne Grüße</p>\n".encode() * 99,
        "is a text file",
        "see",
    ),
}


@pytest.mark.parametrize(("content", "what", "hint"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_disk_is_refused_with_what_it_is(
    tmp_path: Path, content: bytes, what: str, hint: str
) -> None:
    image = tmp_path / "it's.img"
    image.write_bytes(content)
    with pytest.raises(UserError) as refused:
        disk.check_content(image)
    assert refused.value.what.startswith(f"image {image} {what}")
    assert refused.value.hint.startswith(hint)
    assert refused.value.code == "invalid"


# content, whether firmware may find a system there
TAKEN = {
    "a boot sector": (SECTOR, True),
    "qcow2": (b"QFI\xfb\0\0\0\3" + bytes(600), True),
    "zeros": (bytes(600), False),
    "a sector that is cut off": (bytes(500), False),
    "a file system": (b"\xeb\x3c\x90mkfs" + bytes(600), False),
}


@pytest.mark.parametrize(("head", "boots"), TAKEN.values(), ids=TAKEN)
def test_what_may_be_a_disk_is_taken(head: bytes, boots: bool) -> None:
    assert image_content.fault(head[:512]) is None
    assert image_content.may_boot(head[:512]) is boots
