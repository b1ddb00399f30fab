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
_PACKED: Final = (
    (b"\xfd7zXZ\0", "xz", "unxz -k"),
    (b"\x1f\x8b", "gzip", "gunzip -k"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unzstd"),
    (b"BZh", "bzip2", "bunzip2 -k"),
    (b"PK\x03\x04", "zip", "unzip"),
)
"""Magic number, format, and the command that unpacks it."""
_PROGRAMS: Final = (
    (b"\x7fELF", "a program or a kernel (ELF)"),
    (b"MZ", "a kernel or an EFI program"),
)


def fault(head: bytes) -> tuple[str, str] | None:
    """Why a file that begins so is no disk, and a hint with `{}` for its path.

    None if it may be a disk.
    """
    if not head:
        return "is empty", "give an image with a system on it, or --kernel"
    for magic, name, command in _PACKED:
        if head.startswith(magic):
            return f"is compressed ({name})", f"unpack it first: {command} {{}}"
    for magic, name in _PROGRAMS:
        if head.startswith(magic):
            return f"is {name}, not a disk", "if it is a kernel: --kernel {}"
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
