"""Virtual machines in a machine of tests: this host's QEMU and the tiny guest are copied into it.

Both run the same Debian. Its own packages would take a minute more.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.shipped import run
from tests.system.guest import GuestFiles
from tests.system.machine import Machine

GUEST = "/srv/guest"
_PROGRAMS = ("/usr/bin/qemu-system-x86_64", "/usr/bin/qemu-img", "/usr/bin/ssh-keygen")
_MODULES = "/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so"
_DATA = "/usr/share/qemu"
_FIRMWARE = ("bios-256k.bin", "efi-virtio.rom", "kvmvapic.bin", "linuxboot_dma.bin")
_FOLDERS = (_DATA, "/usr/share/seabios", "/usr/lib/ipxe/qemu")


@contextmanager
def with_qemu(machine: Machine, guest: GuestFiles) -> Iterator[None]:
    """With QEMU, what it loads, and the boot files of the tiny guest in `GUEST`."""
    libraries = re.findall(r"(/\S+) \(0x", run("ldd", *_PROGRAMS))
    copies = {Path(file): file for file in (*_PROGRAMS, _MODULES, *libraries)}
    for name in _FIRMWARE:
        found = (Path(folder, name) for folder in _FOLDERS)
        copies[next(file for file in found if file.exists())] = f"{_DATA}/{name}"
    copies |= {file: f"{GUEST}/{file.name}" for file in (guest.kernel, guest.initrd)}
    made: list[str] = []
    try:
        for file, place in copies.items():
            copy = machine.root / place[1:]
            if not copy.exists():
                new = [folder for folder in copy.parents if not folder.exists()]
                made += [f"/{path.relative_to(machine.root)}" for path in (*reversed(new), copy)]
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, copy)
        yield
    finally:
        for place in reversed(made):
            path = machine.root / place[1:]  # of the present boot
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
