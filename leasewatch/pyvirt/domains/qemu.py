"""QEMU's and qemu-img's command lines, made from a definition. Starts nothing, opens nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from leasewatch.pyvirt.defined.domain import DomainDefinition

SYSTEM = "qemu-system-x86_64"
IMG = "qemu-img"
PACKAGES = {SYSTEM: "qemu-system-x86", IMG: "qemu-utils"}
"""Debian's packages of the programs."""
CAPABILITIES = ("dac_read_search",)
"""What QEMU keeps of root's capabilities: it may read other users' images, kernels and initrds."""
BASE_FORMATS = ("qcow2", "raw")
"""Formats of base images. `Image.refers_to` knows every file that these can refer to; other formats
name files in ways of their own (a VMDK is a text that lists them)."""

Chosen = Literal["kvm", "tcg"]

_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
_QUIET = ("-nodefaults", "-no-user-config", "-display", "none")


class Descriptors(NamedTuple):
    """What QEMU inherits: three sockets, a pipe for the console's output, and taps."""

    qmp: int
    events: int
    """Connected to the parent; `qmp` and `console` listen."""
    console: int
    console_log: int
    taps: tuple[int, ...]
    """One per interface, in order."""

    def all(self) -> tuple[int, ...]:
        """Every one of them."""
        return (self.qmp, self.events, self.console, self.console_log, *self.taps)


def command(
    domain: DomainDefinition,
    *,
    accel: Chosen,
    overlay: Path,
    seed: Path | None = None,
    descriptors: Descriptors,
) -> list[str]:
    """The domain's QEMU (qemu-system(1)).

    QEMU inherits sockets that listen already, so a client can connect at once.
    """
    argv = [SYSTEM, "-name", guest_option(domain.name), *_QUIET, "-sandbox", _SANDBOX]
    # Without graphics the firmware writes to the serial port, for example that nothing boots.
    machine = "q35" if domain.kernel else "q35,graphics=off"
    argv += ["-machine", machine, *_processor(accel, domain.memory)]
    if domain.uuid:
        argv += ["-uuid", domain.uuid]
    argv += ["-smp", str(domain.cpus), "-m", str(domain.memory)]
    argv += ["-chardev", f"socket,id=qmp,fd={descriptors.qmp},server=on,wait=off"]
    argv += ["-mon", "chardev=qmp,mode=control"]
    argv += ["-chardev", f"socket,id=events,fd={descriptors.events}"]
    argv += ["-mon", "chardev=events,mode=control"]
    argv += ["-add-fd", f"fd={descriptors.console_log},set=1"]
    console = f"socket,id=console,fd={descriptors.console},server=on,wait=off"
    log = "logfile=/dev/fdset/1,logappend=on"  # else QEMU truncates, which a pipe refuses
    argv += ["-chardev", f"{console},{log}", "-serial", "chardev:console"]
    for index, (nic, fd) in enumerate(zip(domain.nics, descriptors.taps, strict=True)):
        argv += ["-netdev", f"tap,id=net{index},fd={fd}"]
        # No boot ROM: nothing here boots from the network, and loading it takes time.
        argv += ["-device", f"virtio-net-pci,netdev=net{index},mac={nic.mac},romfile="]
    if domain.disk is not None:
        argv += [
            "-drive",
            f"file={_escape(str(overlay))},if=none,id=disk,format=qcow2,discard=unmap",
        ]
        argv += ["-device", "virtio-blk-pci,drive=disk"]
    if seed is not None:
        argv += ["-drive", f"file={_escape(str(seed))},if=none,id=seed,format=raw,readonly=on"]
        argv += ["-device", "virtio-blk-pci,drive=seed"]
    for option, value in (("-kernel", domain.kernel), ("-initrd", domain.initrd)):
        if value is not None:
            argv += [option, value]
    if domain.append:
        argv += ["-append", domain.append]
    return argv


def guest_option(name: str) -> str:
    """The argument by which a domain's QEMU can be found."""
    return f"guest={_escape(name)}"


def overlay_command(base: Path, base_format: str, overlay: Path, size: int | None) -> list[str]:
    """Make a copy-on-write overlay; `size` in bytes, None: the base's own."""
    argv = [IMG, "create", "-q", "-f", "qcow2", "-F", base_format, "-b", str(base), str(overlay)]
    return argv if size is None else [*argv, str(size)]


def convert_command(base: Path, whole: Path) -> list[str]:
    """Make one qcow2 image of all that an image refers to."""
    return [IMG, "convert", "-O", "qcow2", str(base), str(whole)]


def rebase_command(base: Path, base_format: str, overlay: Path) -> list[str]:
    """Tell an overlay that its base, with the same content, is at another path."""
    return [IMG, "rebase", "-u", "-F", base_format, "-b", str(base), str(overlay)]


def info_command(image: Path) -> list[str]:
    """Ask for an image's format, size and backing file as JSON; `-U`: also while it is in use."""
    return [IMG, "info", "-U", "--output=json", str(image)]


def probe_command(accel: Chosen, firmware: str) -> list[str]:
    """Run PROBE_FIRMWARE from the file `firmware`; the exit code is PROBE_PASSED if it executes."""
    exit_port = "isa-debug-exit,iobase=0xf4,iosize=4"
    machine = ["-machine", "q35", *_processor(accel, 32), "-m", "32"]
    return [SYSTEM, *_QUIET, *machine, "-bios", firmware, "-device", exit_port]


PROBE_PASSED = (0x10 << 1) | 1
"""isa-debug-exit's exit code for the 0x10 that the firmware writes."""


def _processor(accel: Chosen, memory: int) -> list[str]:
    if accel == "kvm":
        return ["-accel", "kvm", "-cpu", "host"]
    # QEMU's default is an eighth of the host's memory, up to 1 GiB, for each guest. With less than
    # 64 MiB it discards code while the guest boots, which delays the first login by 0.1 s.
    translated = max(64, min(512, memory // 4))
    return ["-accel", f"tcg,tb-size={translated}", "-cpu", "max"]


def _escape(value: str) -> str:
    """A comma ends a QEMU option's value unless doubled."""
    return value.replace(",", ",,")


def _firmware(code: bytes) -> bytes:
    """64 KiB of ROM: `code` at F000:0000 and a far jump there at the reset vector."""
    jump = bytes.fromhex("ea 0000 00f0")
    return code.ljust(0xFFF0, b"\0") + jump.ljust(16, b"\0")


PROBE_FIRMWARE = _firmware(
    bytes.fromhex(
        "fa 2e660f0116c000 0f20c0 0c01 0f22c0"  # cli; lgdt %cs:gdtr; cr0 |= protected mode
        "66ea18000f000800"  # far jump to 32 bits
        "b810000000 8ed8 8ec0"  # data segments
        "c7050010000003200000 c7050020000003300000"  # page tables at 4 and 8 KiB
        "bf00300000 b883000000 8907 83c708 0500002000 3d83000002 75ef"  # and 16 pages of 2 MiB
        "b820000000 0f22e0 b800100000 0f22d8"  # cr4 = PAE; cr3 = tables
        "b9800000c0 0f32 80cc01 0f30"  # EFER |= long mode
        "0f20c0 0d00000080 0f22c0 ea7e000f001800"  # cr0 |= paging; far jump to 64 bits
        "be00001000 bf00000001 b900001000 f348a5"  # copy 8 MiB of untouched memory
        "b980969800 ffc9 75fc"  # ten million turns of a loop
        "b010 e6f4 f4 6690"  # outb(0x10, 0xf4): QEMU exits; hlt
        "0000000000000000 ffff0000009bcf00 ffff00000093cf00 ffff0000009baf00"  # gdt
        "1f00 a0000f00"  # gdtr
    )
)
"""What the probe runs. Reaching long mode proves little: a nested KVM that only emulates does that
too. It needs 13 s for the copy and the loop; one that works needs 20 ms (measured)."""


_MESSAGE = re.compile(r"qemu[\w-]*: ")


def complaint(printed: str) -> str:
    """The last message that one of QEMU's programs has printed, in one line; empty without any.

    A message may have several lines: `Failed to get "write" lock`, then what may hold it.
    """
    lines = printed.strip().splitlines()
    begins = [at for at, line in enumerate(lines) if _MESSAGE.match(line)]
    first = begins[-1] if begins else len(lines) - 1
    return ". ".join(line.strip().removesuffix(".") for line in lines[first:] if line.strip())


class Image(msgspec.Struct, frozen=True):
    """What qemu-img reports about an image."""

    format: str
    size: int = msgspec.field(name="virtual-size")
    """Bytes that a guest sees."""
    backing: str | None = msgspec.field(name="backing-filename", default=None)
    base: str | None = msgspec.field(name="full-backing-filename", default=None)
    """The path at which its backing file is opened."""
    specific: dict[str, object] = msgspec.field(name="format-specific", default_factory=dict)

    @property
    def refers_to(self) -> str | None:
        """The other file that has a part of its content, as the image names it."""
        data = self.specific.get("data")
        external = data.get("data-file") if isinstance(data, dict) else None
        return self.backing or external


def parse_info(text: str) -> Image:
    """The answer to `info_command`."""
    return msgspec.json.decode(text, type=Image)
