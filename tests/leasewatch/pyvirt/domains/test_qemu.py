"""QEMU's command lines as text; that QEMU takes them is the system tests' question."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.domains import qemu

GIVEN = qemu.Descriptors(qmp=10, events=15, migration=16, console=11, console_log=12, taps=(13, 14))
OVERLAY = qemu.Layer(Path("/disks/disk.qcow2"), "qcow2", writable=True)
IMAGE = qemu.Layer(Path("/images/debian.raw"), "raw")


def _domain(memory: int = 1024, **parts: Any) -> DomainDefinition:
    nics = tuple(NicDefinition(network="lab", mac=f"52:54:00:00:00:0{i}") for i in (1, 2))
    return DomainDefinition(name="web1", nics=nics, memory=memory, cpus=2, **parts)


def _argv(accel: qemu.Chosen = "tcg", memory: int = 1024, **parts: Any) -> list[str]:
    domain = _domain(memory, **parts)
    return qemu.command(domain, accel, qemu.Devices((), GIVEN.taps), GIVEN)


def _nodes(*drives: qemu.Drive) -> list[dict[str, Any]]:
    """The block nodes of drives whose files are open as 20, 21, …, of a domain without a card."""
    numbers = iter(range(20, 40))
    fds = tuple(tuple(next(numbers) for _ in drive.layers) for drive in drives)
    domain = DomainDefinition(name="web1", nics=(), memory=64, cpus=1)
    given = GIVEN._replace(taps=(), drives=fds)
    argv = qemu.command(domain, "tcg", qemu.Devices(drives, given.taps), given)
    assert set(_values(argv, "-add-fd")[1:]) == {
        f"fd={n},set={n}" for layers in fds for n in layers
    }
    return [json.loads(value) for value in _values(argv, "-blockdev")]


def _values(argv: list[str], option: str) -> list[str]:
    return [argv[i + 1] for i, word in enumerate(argv) if word == option]


def test_each_interface_has_its_own_tap_and_mac() -> None:
    argv = _argv()
    assert _values(argv, "-netdev") == ["tap,id=net0,fd=13", "tap,id=net1,fd=14"]
    macs = [value.split("mac=")[1].split(",")[0] for value in _values(argv, "-device")[:2]]
    assert macs == ["52:54:00:00:00:01", "52:54:00:00:00:02"]


def test_the_firmware_writes_to_the_console_where_it_boots_a_disk() -> None:
    assert _values(_argv(), "-machine") == ["q35,graphics=off"]
    assert _values(_argv(kernel="/boot/vmlinuz"), "-machine") == ["q35"]
    assert _values(_argv(machine="pc-q35-7.2"), "-machine") == ["pc-q35-7.2,graphics=off"]


def test_a_disk_is_an_overlay_on_its_image_which_is_only_read() -> None:
    image, overlay = _nodes(qemu.Drive((OVERLAY, IMAGE)))
    assert (image["file"]["filename"], image["read-only"]) == ("/dev/fdset/21", True)
    assert (overlay["file"]["filename"], overlay["read-only"]) == ("/dev/fdset/20", False)
    assert overlay["backing"] == image["node-name"]
    assert overlay["discard"] == overlay["file"]["discard"] == "unmap"


def test_qemu_follows_no_path_that_is_in_an_image() -> None:
    (alone,) = _nodes(qemu.Drive((qemu.Layer(Path("/images/debian.qcow2"), "qcow2"),)))
    assert alone["backing"] is None


def test_each_disk_has_nodes_of_its_own() -> None:
    nodes = _nodes(qemu.Drive((OVERLAY, IMAGE)), qemu.Drive((OVERLAY,)))
    assert len({node["node-name"] for node in nodes}) == 3


def _with_drives(*drives: qemu.Drive) -> list[str]:
    fds = tuple(tuple(range(20 + 2 * n, 20 + 2 * n + len(d.layers))) for n, d in enumerate(drives))
    domain = DomainDefinition(name="web1", nics=(), memory=64, cpus=1, cdrom="/cd.iso")
    given = GIVEN._replace(taps=(), drives=fds)
    return qemu.command(domain, "tcg", qemu.Devices(drives, ()), given)


DISK, CD = qemu.Drive((OVERLAY, IMAGE)), qemu.Drive((IMAGE,), "cdrom")


def test_disks_start_before_a_cd() -> None:
    devices = _values(_with_drives(DISK, CD, DISK), "-device")[:3]
    assert devices == [
        "virtio-blk-pci,drive=disk0,bootindex=0",
        "ide-cd,drive=cdrom0,bootindex=2",
        "virtio-blk-pci,drive=disk1,bootindex=1",
    ]
    assert _values(_with_drives(DISK), "-device")[0] == "virtio-blk-pci,drive=disk0"


def test_a_guest_with_uefi_has_two_flash_chips() -> None:
    chips = qemu.Drive((IMAGE,), "pflash"), qemu.Drive((OVERLAY,), "pflash")
    argv = _with_drives(DISK, *chips)
    assert _values(argv, "-machine") == ["q35,graphics=off,pflash0=pflash0,pflash1=pflash1"]
    assert not [value for value in _values(argv, "-device") if "pflash" in value]


def test_qemu_sees_no_path_of_the_host() -> None:
    domain = DomainDefinition(
        name="web1", nics=(), memory=64, cpus=1, kernel="/boot/k,1", initrd="/boot/i", append="a,b"
    )
    given = GIVEN._replace(taps=(), drives=((20, 21),))
    drives = [qemu.Drive((OVERLAY, IMAGE))]
    argv = qemu.command(domain, "tcg", qemu.Devices(drives, given.taps), given)
    assert not [word for word in argv if re.search("/boot|/images|/disks", word)]
    assert [_values(argv, option) for option in ("-kernel", "-initrd", "-append")] == [
        ["/kernel"],
        ["/initrd"],
        ["a,b"],
    ]
    files = qemu.sandbox_files(domain, qemu.Devices((), ()))
    assert files == {"kernel": Path("/boot/k,1"), "initrd": Path("/boot/i")}


@pytest.mark.parametrize(
    ("accel", "cpu", "option"), [("kvm", "host", "kvm"), ("tcg", "max", "tcg,tb-size=256")]
)
def test_the_probe_tries_the_processor_that_the_guest_gets(
    accel: qemu.Chosen, cpu: str, option: str
) -> None:
    argv = _argv(accel)
    assert (_values(argv, "-cpu"), _values(argv, "-accel")) == ([cpu], [option])
    probe = qemu.probe_command(accel)
    assert _values(probe, "-cpu") == [cpu]
    assert _values(probe, "-accel")[0].startswith(accel)
    assert _values(probe, "-machine")[0] == _values(argv, "-machine")[0].partition(",")[0]


@pytest.mark.parametrize(
    ("memory", "cache"), [(32, 64), (128, 64), (512, 128), (2048, 512), (65536, 512)]
)
def test_translated_code_has_a_quarter_of_the_memory_within_limits(memory: int, cache: int) -> None:
    assert _values(_argv("tcg", memory), "-accel") == [f"tcg,tb-size={cache}"]


def test_what_is_secret_is_in_no_command_line() -> None:
    devices = qemu.Devices((), GIVEN.taps, {"a": "secret"})
    domain = _domain()
    argv = qemu.command(domain, "tcg", devices, GIVEN)
    assert _values(argv, "-smbios") == ["type=11,path=/credential0"]
    assert "secret" not in " ".join(argv)
    files = qemu.sandbox_files(domain, devices)
    assert files == {"credential0": b"io.systemd.credential.binary:a=c2VjcmV0"}
