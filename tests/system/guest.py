"""The tiny guest that packaging/guest builds, for domains of a world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class GuestFiles:
    """What packaging/guest built: boot files, and how ssh gets in without asking."""

    folder: Path

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.gz"

    @property
    def ssh_config(self) -> Path:
        """For /etc/ssh/ssh_config.d: the key to log in with and the guests' host key."""
        return self.folder / "ssh_config"


_SETUP = 0x200
IDLE_KERNEL = bytearray(8 * 512)
"""A kernel by its header (Linux's Documentation/arch/x86/boot.rst) that halts the processor.

The guest does nothing: it boots at once, asks for no address and does not heed the power button.
"""
IDLE_KERNEL[0x1F1] = 1  # sectors of setup
IDLE_KERNEL[0x1FE:0x200] = b"\x55\xaa"
IDLE_KERNEL[_SETUP : _SETUP + 2] = b"\xeb\x66"  # jmp over the header
IDLE_KERNEL[0x202:0x206] = b"HdrS"
IDLE_KERNEL[0x206:0x208] = b"\x04\x02"  # version 2.04
IDLE_KERNEL[0x211] = 1  # LOADED_HIGH
IDLE_KERNEL[0x268:0x26C] = b"\xfa\xf4\xeb\xfd"  # cli; hlt; jmp back to hlt
PANIC_KERNEL = bytearray(IDLE_KERNEL)
"""One that tells QEMU's pvpanic device of a panic, as Linux does, and halts."""
PANIC_KERNEL[0x268:0x272] = bytes.fromhex("ba0505 b001 ee faf4ebfd")  # outb(1, 0x505); as above
