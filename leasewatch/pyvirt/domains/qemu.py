"""QEMU's command line, made from a definition. Starts nothing, opens nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from leasewatch.pyvirt.defined.domain import DomainDefinition, Format
from leasewatch.pyvirt.domains import machines
from leasewatch.pyvirt.domains.machines import MACHINES, Machine
from leasewatch.pyvirt.login import user_data

Chosen = machines.Chosen

BALLOON = "balloon"
"""The id of the device by which the guest says how much memory it uses."""

INCOMING = ("-incoming", "defer")
"""Options of a QEMU that waits for a guest; `migrate-incoming` says from where it comes."""

_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
_QUIET = ("-nodefaults", "-no-user-config", "-display", "none")

_BOOT = ("kernel", "initrd")
"""Keys of a definition that are options of QEMU."""


_SECRET = "secret"  # noqa: S105  # what QEMU calls it
_BALLOON = "guest-stats-polling-interval=5,free-page-reporting=on"
_EXTRAS = (
    *("-object", "rng-builtin,id=rng", "-device", "virtio-rng-pci,rng=rng"),
    # The guest says how much memory it uses, and gives back what it has freed.
    *("-device", f"virtio-balloon-pci,id={BALLOON},{_BALLOON}"),
)


class Layer(NamedTuple):
    """A file of a drive."""

    path: Path
    format: Format
    writable: bool = False


class Drive(NamedTuple):
    """A disk, CD or flash chip: the file that the guest sees, then the one beneath it, and so on.

    QEMU opens no file that an image names. The first chip is the firmware, and the second one has
    its variables.
    """

    layers: tuple[Layer, ...]
    kind: Literal["disk", "cdrom", "pflash"] = "disk"
    secret: bytes = b""
    """The passphrase of the first layer; empty: it is not encrypted."""
    serial: str = ""
    """By which the guest finds it: /dev/disk/by-id/virtio-SERIAL."""


class Devices(NamedTuple):
    """What a guest has beside what its definition says."""

    drives: Sequence[Drive]
    taps: tuple[int, ...]
    """Open descriptors, one per interface."""
    credentials: Mapping[str, str] = MappingProxyType({})
    """For systemd in the guest. They are secret: no command line may hold them."""


class Descriptors(NamedTuple):
    """What QEMU inherits: four sockets, a pipe for the console's output, and the rest."""

    qmp: int
    events: int
    """Connected to the parent; the other three sockets listen."""
    migration: int
    console: int
    console_log: int
    taps: tuple[int, ...] = ()
    """One per interface, in order."""
    drives: tuple[tuple[int, ...], ...] = ()
    """One per layer of each drive, in order."""

    def all(self) -> tuple[int, ...]:
        """Every one of them."""
        layers = (fd for drive in self.drives for fd in drive)
        sockets = (self.qmp, self.events, self.migration, self.console)
        return (*sockets, self.console_log, *self.taps, *layers)


def command(
    domain: DomainDefinition, accel: Chosen, devices: Devices, descriptors: Descriptors
) -> list[str]:
    """The domain's QEMU (qemu-system(1)), which runs in a sandbox with `sandbox_files`.

    QEMU inherits sockets that listen already, so a client can connect at once.
    """
    machine = MACHINES[domain.arch]
    argv = [machine.program, "-name", guest_option(domain.name), *_QUIET, "-S"]
    argv += ["-sandbox", _SANDBOX]
    # Without graphics a PC's firmware writes to the serial port, for example that nothing boots.
    graphics = "" if domain.kernel or domain.arch != "x86_64" else ",graphics=off"
    options = f"{graphics}{machine.options[accel]}{_chips(devices.drives)}"
    argv += ["-machine", f"{domain.machine or machine.newest}{options}"]
    argv += _processor(machine, accel, domain.memory)
    if domain.uuid:
        argv += ["-uuid", domain.uuid]
    argv += ["-smp", str(domain.cpus), "-m", str(domain.memory)]
    for name, fd in (("qmp", descriptors.qmp), ("migration", descriptors.migration)):
        argv += ["-chardev", f"socket,id={name},fd={fd},server=on,wait=off"]
        argv += ["-qmp", f"chardev:{name}"]
    argv += ["-chardev", f"socket,id=events,fd={descriptors.events}", "-qmp", "chardev:events"]
    argv += ["-add-fd", f"fd={descriptors.console_log},set=1"]
    console = f"socket,id=console,fd={descriptors.console},server=on,wait=off"
    log = "logfile=/dev/fdset/1,logappend=on"  # else QEMU truncates, which a pipe refuses
    argv += ["-chardev", f"{console},{log}", "-serial", "chardev:console"]
    for index, (nic, fd) in enumerate(zip(domain.nics, descriptors.taps, strict=True)):
        argv += ["-netdev", f"tap,id=net{index},fd={fd}"]
        # No boot ROM: nothing here boots from the network, and loading it takes time.
        argv += ["-device", f"virtio-net-pci,netdev=net{index},mac={nic.mac},romfile="]
    argv += [*_drives(machine, devices.drives, descriptors), *_EXTRAS]
    argv += [word for one in machine.own_devices for word in ("-device", one)]
    for name in sandbox_files(domain, devices):
        argv += _file_option(name)
    argv += _credentials(machine, devices)
    if domain.append:
        argv += ["-append", domain.append]
    return argv


def sandbox_files(domain: DomainDefinition, devices: Devices) -> dict[str, Path | bytes]:
    """Files that QEMU can only open by a path: name in the sandbox -> the file, or its content."""
    given = ((name, getattr(domain, name)) for name in _BOOT)
    found: dict[str, Path | bytes] = {name: Path(path) for name, path in given if path is not None}
    machine = MACHINES[domain.arch]
    for index, (key, text) in enumerate(devices.credentials.items() if machine.credentials else ()):
        value = user_data.smbios_value(key, text) if machine.credentials == "smbios" else text
        found[f"credential{index}"] = value.encode()
    return found | {_secret(index): d.secret for index, d in enumerate(devices.drives) if d.secret}


def _file_option(name: str) -> list[str]:
    """The option that reads one of the `sandbox_files`, if that is no credential."""
    if name in _BOOT:
        return [f"-{name}", f"/{name}"]
    if name.startswith(_SECRET):
        return ["-object", f"secret,id={name},format=raw,file=/{name}"]
    return []


def _credentials(machine: Machine, devices: Devices) -> list[str]:
    """Options that give the guest its credentials: by SMBIOS, or without UEFI by fw_cfg."""
    argv = []
    for index, key in enumerate(devices.credentials if machine.credentials else ()):
        if machine.credentials == "smbios":
            argv += ["-smbios", f"type=11,path=/credential{index}"]
        else:
            argv += ["-fw_cfg", f"name=opt/io.systemd.credentials/{key},file=/credential{index}"]
    return argv


def _secret(drive: int) -> str:
    """What QEMU calls the passphrase of the drive with this number."""
    return f"{_SECRET}{drive}"


def _chips(drives: Sequence[Drive]) -> str:
    """The machine's options for its flash chips."""
    count = sum(drive.kind == "pflash" for drive in drives)
    return "".join(f",pflash{number}=pflash{number}" for number in range(count))


def _drives(machine: Machine, drives: Sequence[Drive], descriptors: Descriptors) -> list[str]:
    """Drives are called disk0, disk1, …, cdrom0, pflash0, pflash1. With a CD, disks boot first."""
    argv, numbers = [], dict.fromkeys(("disk", "cdrom", "pflash"), 0)
    ordered = any(drive.kind == "cdrom" for drive in drives)
    disks = sum(drive.kind == "disk" for drive in drives)
    for index, (drive, fds) in enumerate(zip(drives, descriptors.drives, strict=True)):
        number = numbers[drive.kind]
        numbers[drive.kind] += 1
        name = f"{drive.kind}{number}"
        argv += _drive(name, drive, fds, _secret(index))
        if drive.kind != "pflash":
            *buses, device = ["virtio-blk-pci"] if drive.kind == "disk" else machine.cdrom
            place = number if drive.kind == "disk" else disks + number
            boots = f",bootindex={place}" if ordered else ""
            serial = f",serial={drive.serial}" if drive.serial else ""
            argv += [word for bus in buses for word in ("-device", bus)]
            argv += ["-device", f"{device},drive={name}{serial}{boots}"]
    return argv


def _drive(name: str, drive: Drive, fds: Sequence[int], secret: str) -> list[str]:
    """Block nodes over open files, the lowest first; the highest is called `name`."""
    argv, below = [], None
    for depth, (layer, fd) in reversed(list(enumerate(zip(drive.layers, fds, strict=True)))):
        node = f"{name}-{depth}" if depth else name
        argv += ["-add-fd", f"fd={fd},set={fd}"]
        common = {"read-only": not layer.writable, "discard": "unmap"}
        file = {"driver": "file", "filename": f"/dev/fdset/{fd}", **common}
        made: dict[str, object] = {"driver": layer.format, "node-name": node, "file": file}
        if layer.format == "qcow2":
            made["backing"] = below  # null: ignore the one that the image names
        if drive.secret and not depth:
            made["encrypt"] = {"format": "luks", "key-secret": secret}
        argv += ["-blockdev", msgspec.json.encode(made | common).decode()]
        below = node
    return argv


def guest_option(name: str) -> str:
    """The argument by which a domain's QEMU can be found."""
    return f"guest={_escape(name)}"


def asked_command(program: str, monitor: int) -> list[str]:
    """A QEMU that runs no guest, to be asked on the connected socket `monitor`."""
    qmp = ["-chardev", f"socket,id=qmp,fd={monitor}", "-qmp", "chardev:qmp"]
    return [program, *_QUIET, "-machine", "none", "-S", *qmp]


def probe_command(accel: Chosen) -> list[str]:
    """Run PROBE_FIRMWARE, the file `firmware` in a sandbox; PROBE_PASSED is its exit code then."""
    exit_port = "isa-debug-exit,iobase=0xf4,iosize=4"
    pc = MACHINES["x86_64"]
    machine = ["-machine", pc.newest, *_processor(pc, accel, 32), "-m", "32"]
    return [pc.program, *_QUIET, *machine, "-bios", "/firmware", "-device", exit_port]


PROBE_PASSED = (0x10 << 1) | 1
"""isa-debug-exit's exit code for the 0x10 that the firmware writes."""


def _processor(machine: Machine, accel: Chosen, memory: int) -> list[str]:
    if accel == "kvm":
        return ["-accel", "kvm", "-cpu", machine.processor["kvm"]]
    # QEMU's default is an eighth of the host's memory, up to 1 GiB, for each guest. With less than
    # 64 MiB it discards code while the guest boots, which delays the first login by 0.1 s.
    translated = max(64, min(512, memory // 4))
    return ["-accel", f"tcg,tb-size={translated}", "-cpu", machine.processor["tcg"]]


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
