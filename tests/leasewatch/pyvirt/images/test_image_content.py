"""Which files are refused as an image by their first bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.images import image_content
from leasewatch.pyvirt.images.store import Images
from nss_pyvirt.errors import UserError

SECTOR = bytes(510) + b"\x55\xaa"
KERNEL = b"MZ" + bytes(508) + b"\x55\xaa"  # a bzImage has a boot sector's mark, too


def _tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("disk.raw"), io.BytesIO())
    return packed.getvalue()


# content, what the error calls it, how the hint begins
REFUSED = {
    "gzip in gzip": (
        gzip.compress(gzip.compress(SECTOR)),
        "is compressed more than once (gzip is left)",
        "unpack it first: see file '",
    ),
    "zip": (b"PK\x03\x04" + bytes(600), "is compressed (zip)", "unpack it first: unzip '"),
    "tar": (_tar(), "is an archive (tar)", "unpack it first: tar xf '"),
    "tar.gz": (gzip.compress(_tar()), "is an archive (tar)", "unpack it first: tar xf '"),
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
    "nothing, packed": (gzip.compress(b""), "is empty", "give an image with a system on it"),
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
        Images(Paths(tmp_path)).add("web", image)
    assert refused.value.what.startswith(f"image {image} {what}")
    assert refused.value.hint.startswith(hint)
    assert refused.value.code == "invalid"
    assert not Paths(tmp_path).images.exists()


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
