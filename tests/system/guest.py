"""The tiny guest that packaging/guest builds, for domains of a world."""

from __future__ import annotations

import gzip
import subprocess
from dataclasses import dataclass
from pathlib import Path

MARK = "the guest has shut down in its own time"
_POWER_BUTTON = f"#!/bin/sh\nsleep 1\necho {MARK} >/dev/vda\nsync\nexec poweroff -f\n"


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


def slow_to_power_off(guest: GuestFiles, work: Path) -> bytes:
    """The guest's initrd, with a power button that first writes `MARK` to the disk.

    The script for it is made in the folder `work`.
    """
    script = work / "etc/acpi/PWRF/00000080"
    script.parent.mkdir(parents=True)
    script.write_text(_POWER_BUTTON)
    script.chmod(0o755)
    cpio = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"]
    name = str(script.relative_to(work)).encode()
    added = subprocess.run(cpio, input=name, cwd=work, stdout=subprocess.PIPE, check=True).stdout
    return guest.initrd.read_bytes() + gzip.compress(added)  # the kernel unpacks both


def _kernel(code: str) -> bytes:
    """A kernel by its header (Linux's Documentation/arch/x86/boot.rst) that runs `code` (hex).

    The code begins in real mode. QEMU puts it to address 0x10268, in the segment 0x1020.
    """
    image = bytearray(8 * 512)
    image[0x1F1] = 1  # sectors of setup
    image[0x1FE:0x200] = b"\x55\xaa"
    image[0x200:0x202] = b"\xeb\x66"  # jmp over the header
    image[0x202:0x206] = b"HdrS"
    image[0x206:0x208] = b"\x04\x02"  # version 2.04
    image[0x211] = 1  # LOADED_HIGH
    binary = bytes.fromhex(code)
    image[0x268 : 0x268 + len(binary)] = binary
    return bytes(image)


_HALT = "f4 ebfd"  # hlt; jmp back to hlt
IDLE_KERNEL = _kernel(
    "fa 2e660f0116ce00 0f20c0 0c01 0f22c0"  # cli; lgdt %cs:0xce; cr0 |= protected mode
    "66ea800201000800"  # far jump to the next instruction, 32 bits
    "66b81000 8ed8"  # 0x10280: data segment
    "c7050000030083000000"  # a page of 4 MiB at address 0
    "b800000300 0f22d8 0f20e0 83c810 0f22e0"  # cr3, and cr4 |= large pages
    "0f20c0 0d00000080 0f22c0"  # cr0 |= paging
    "66baf803 b07e ee"  # a tilde to the serial port
    + _HALT
    + "0000000000000000 ffff0000009bcf00 ffff00000093cf00"  # 0x102b6: gdt
    + "1700 b6020100"  # 0x102ce: gdtr
)
"""It halts the processor once paging is on: a system that runs, to look at it.

The guest boots at once, asks for no address and ignores the power button.
Until it has written a tilde to its console, `domain stop` finds no system in it.
"""
PANIC_KERNEL = _kernel("ba0505 b001 ee fa" + _HALT)
"""One that tells QEMU's pvpanic device of a panic, as Linux does, and halts."""
