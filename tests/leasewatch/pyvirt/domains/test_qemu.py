"""QEMU's command lines as text; that QEMU takes them is the system tests' question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.domains import qemu

GIVEN = qemu.Descriptors(qmp=10, events=15, console=11, console_log=12, taps=(13, 14))


DISK = qemu.OpenedDisk(Path("/disks/a,file=b/disk.qcow2"), Path("/images/sha256-1.raw"), "raw")


def _argv(
    accel: qemu.Chosen = "tcg",
    memory: int = 1024,
    disks: Sequence[qemu.OpenedDisk] = (),
    **parts: Any,
) -> list[str]:
    nics = tuple(NicDefinition(network="lab", mac=f"52:54:00:00:00:0{i}") for i in (1, 2))
    domain = DomainDefinition(name="web1", nics=nics, memory=memory, cpus=2, **parts)
    return qemu.command(domain, accel=accel, disks=disks, descriptors=GIVEN)


def _values(argv: list[str], option: str) -> list[str]:
    return [argv[i + 1] for i, word in enumerate(argv) if word == option]


def test_each_interface_has_its_own_tap_and_mac() -> None:
    argv = _argv(disks=[DISK])
    assert _values(argv, "-netdev") == ["tap,id=net0,fd=13", "tap,id=net1,fd=14"]
    macs = [value.split("mac=")[1].split(",")[0] for value in _values(argv, "-device")[:2]]
    assert macs == ["52:54:00:00:00:01", "52:54:00:00:00:02"]


def test_the_firmware_writes_to_the_console_where_it_boots_a_disk() -> None:
    assert _values(_argv(disks=[DISK]), "-machine") == ["q35,graphics=off"]
    assert _values(_argv(kernel="/boot/vmlinuz"), "-machine") == ["q35"]


def test_a_comma_in_a_path_ends_no_option() -> None:
    (drive,) = _values(_argv(disks=[DISK]), "-drive")
    assert drive.startswith("file=/disks/a,,file=b/disk.qcow2,if=none,")


def test_each_disk_is_a_device_in_the_given_order() -> None:
    others = [DISK._replace(overlay=Path(f"/disks/disk{number}.qcow2")) for number in (1, 2)]
    argv = _argv(disks=[DISK, *others])
    assert [value.split(",id=")[1].split(",")[0] for value in _values(argv, "-drive")] == [
        "disk0",
        "disk1",
        "disk2",
    ]
    assert _values(argv, "-device")[2:] == [f"virtio-blk-pci,drive=disk{i}" for i in range(3)]


def test_the_guest_writes_to_the_overlay_alone() -> None:
    assert not any("/images/" in word for word in _argv(disks=[DISK]))


def test_kernel_initrd_and_command_line_are_handed_over_as_they_are() -> None:
    argv = _argv(kernel="/boot/k,1", initrd="/boot/i", append="console=ttyS0 a,b")
    assert _values(argv, "-kernel") == ["/boot/k,1"]
    assert _values(argv, "-initrd") == ["/boot/i"]
    assert _values(argv, "-append") == ["console=ttyS0 a,b"]
    assert not _values(argv, "-drive")


@pytest.mark.parametrize(
    ("accel", "cpu", "option"), [("kvm", "host", "kvm"), ("tcg", "max", "tcg,tb-size=256")]
)
def test_the_probe_tries_the_processor_that_the_guest_gets(
    accel: qemu.Chosen, cpu: str, option: str
) -> None:
    argv = _argv(accel, disks=[DISK])
    assert (_values(argv, "-cpu"), _values(argv, "-accel")) == ([cpu], [option])
    probe = qemu.probe_command(accel, "/rom")
    assert _values(probe, "-cpu") == [cpu]
    assert _values(probe, "-accel")[0].startswith(accel)
    assert _values(probe, "-machine")[0] == _values(argv, "-machine")[0].partition(",")[0]


@pytest.mark.parametrize(
    ("memory", "cache"), [(32, 64), (128, 64), (512, 128), (2048, 512), (65536, 512)]
)
def test_translated_code_has_a_quarter_of_the_memory_within_limits(memory: int, cache: int) -> None:
    assert _values(_argv("tcg", memory), "-accel") == [f"tcg,tb-size={cache}"]
