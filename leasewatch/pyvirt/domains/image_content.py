"""What the first bytes of a file say it is, if that is no disk. Pure: bytes in, words out.

qemu-img takes every file that it does not know for a raw disk.
"""

from __future__ import annotations

from typing import Final

HEAD: Final = 512
"""How many bytes are looked at: a PC's boot sector."""
_QCOW2: Final = b"QFI\xfb"
_BOOTABLE: Final = b"\x55\xaa"
"""The end of a boot sector, without which a PC's firmware starts nothing."""
_KINDS: Final = (
    (b"\xfd7zXZ\0", "is compressed (xz)", "unpack it first: unxz -k {}"),
    (b"\x1f\x8b", "is compressed (gzip)", "unpack it first: gunzip -k {}"),
    (b"\x28\xb5\x2f\xfd", "is compressed (zstd)", "unpack it first: unzstd {}"),
    (b"BZh", "is compressed (bzip2)", "unpack it first: bunzip2 -k {}"),
    (b"PK\x03\x04", "is compressed (zip)", "unpack it first: unzip {}"),
    (b"\x7fELF", "is a program or a kernel (ELF), not a disk", "if it is a kernel: --kernel {}"),
    (b"MZ", "is a kernel or an EFI program, not a disk", "if it is a kernel: --kernel {}"),
)
"""Magic number, what the file is, and a hint."""


def fault(head: bytes) -> tuple[str, str] | None:
    """Why a file that begins so is no disk, and a hint with `{}` for its path.

    None if it may be a disk.
    """
    if not head:
        return "is empty", "give an image with a system on it, or --kernel"
    for magic, what, hint in _KINDS:
        if head.startswith(magic):
            return what, hint
    if _is_text(head):
        return "is a text file, not a disk", "see what it says: head {}"
    return None


def may_boot(head: bytes) -> bool:
    """Whether firmware may find a system on a disk that begins so; qcow2 is not looked into."""
    return head.startswith(_QCOW2) or head[HEAD - 2 : HEAD] == _BOOTABLE


def _is_text(head: bytes) -> bool:
    """A multi-byte character may be cut off at the end."""
    text = head.decode(errors="ignore")
    whole = len(text.encode()) > len(head) - 4
    return whole and all(c.isprintable() or c in "\t\n\r\f" for c in text)
