"""What the first bytes of a file say it is. Pure: bytes in, words out.

qemu-img takes every file that it does not know for a raw disk.
"""

from __future__ import annotations

from typing import Final, Literal

HEAD: Final = 512
"""How many bytes are looked at: a PC's boot sector."""
_QCOW2: Final = b"QFI\xfb"
_BOOTABLE: Final = b"\x55\xaa"
"""The end of a boot sector, without which a PC's firmware starts nothing."""

Packing = Literal["xz", "gzip", "zstd", "bzip2"]
_PACKINGS: Final[tuple[tuple[bytes, Packing], ...]] = (
    (b"\xfd7zXZ\0", "xz"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"BZh", "bzip2"),
)
_KINDS: Final = (
    (0, b"PK\x03\x04", "is compressed (zip)", "unpack it first: unzip {}"),
    (257, b"ustar", "is an archive (tar)", "unpack it first: tar xf {}"),
    (0, b"\x7fELF", "is a program or a kernel (ELF), not a disk", "if it is a kernel: --kernel {}"),
    (0, b"MZ", "is a kernel or an EFI program, not a disk", "if it is a kernel: --kernel {}"),
)
"""Where the magic number is, the number, what the file is, and a hint."""


def packing(head: bytes) -> Packing | None:
    """How a file that begins so is compressed, if it can be unpacked here."""
    return next((name for magic, name in _PACKINGS if head.startswith(magic)), None)


def fault(head: bytes) -> tuple[str, str] | None:
    """Why a file that begins so is no disk, and a hint with `{}` for its path.

    None if it may be a disk. `head`: of the unpacked file.
    """
    if not head:
        return "is empty", "give an image with a system on it, or --kernel"
    if again := packing(head):
        return f"is compressed more than once ({again} is left)", "unpack it first: see file {}"
    for at, magic, what, hint in _KINDS:
        if head[at:].startswith(magic):
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
