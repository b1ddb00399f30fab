"""Which processor a kernel is for, and whether QEMU starts it, by its file's first bytes. Pure.

Linux's Documentation/arch/*/boot* and the ELF and PE specifications give the numbers.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

from leasewatch.pyvirt.defined.architectures import Arch

HEAD: Final = 8192
"""How many bytes are looked at: a multiboot header may come that late."""
_MAGIC: Final[tuple[tuple[int, bytes, Arch], ...]] = (
    (0x202, b"HdrS", "x86_64"),
    (0x38, b"ARM\x64", "aarch64"),
    (0x38, b"RSC\x05", "riscv64"),
)
_MULTIBOOT: Final = b"\x02\xb0\xad\x1b"
_ELF: Final[dict[int, Arch]] = {3: "x86_64", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_PE: Final[dict[int, Arch]] = {0x8664: "x86_64", 0xAA64: "aarch64", 0x5064: "riscv64"}
_POWER: Final = 21


class Kernel(NamedTuple):
    """A kernel; `arch` None: its header names none that guests can have."""

    arch: Arch | None


def described(head: bytes) -> Kernel | None:
    """What a file is that begins so; None: no kernel."""
    if head.startswith(b"\x1f\x8b"):  # QEMU unpacks it itself
        head = _unpacked(head)
    for at, magic, arch in _MAGIC:
        if head[at:].startswith(magic):
            return Kernel(arch)
    if head.startswith(b"\x7fELF"):
        return Kernel(_of_elf(head))
    if head.startswith(b"MZ"):
        return _of_pe(head)
    return Kernel("x86_64") if _MULTIBOOT in head else None


def _unpacked(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, HEAD)
    except zlib.error:
        return b""


def _of_elf(head: bytes) -> Arch | None:
    is_little = head[5:6] == b"\x01"
    number = int.from_bytes(head[18:20], "little" if is_little else "big")
    if number == _POWER:
        return "ppc64le" if is_little else None
    return _ELF.get(number)


def _of_pe(head: bytes) -> Kernel | None:
    """A kernel that packs itself is a program of UEFI."""
    at = int.from_bytes(head[0x3C:0x40], "little")
    if head[at : at + 4] != b"PE\0\0" or len(head) < at + 6:
        return None
    return Kernel(_PE.get(struct.unpack_from("<H", head, at + 4)[0]))
