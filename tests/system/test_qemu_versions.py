"""The QEMUs of other Debian suites: guests live as with the host's, and QEMU warns of nothing."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path

import pytest

from tests.system.cd import SAID, bootable_cd
from tests.system.domains import RUN, define, lease, log_in, pyvirt, read, row, traces
from tests.system.guest import GuestFiles
from tests.system.qemu_suites import use_qemu
from tests.system.world import World

pytestmark = pytest.mark.long
DISK = "/run/empty.qcow2"


@pytest.fixture(params=["", "trixie", "sid"])
def any_qemu(started_lab: World, request: pytest.FixtureRequest) -> World:
    """A world with QEMU of a suite; empty: of the host."""
    use_qemu(started_lab, request.param)
    started_lab.run(["qemu-img", "create", "-q", "-f", "qcow2", DISK, "64M"])
    return started_lab


def printed(world: World, name: str) -> str:
    return read(world, RUN / name / "qemu.log")


def says(world: World, file: Path, text: str) -> bool:
    return text in read(world, file)


def test_a_guest_lives_and_nothing_is_deprecated(any_qemu: World, guest_files: GuestFiles) -> None:
    define(any_qemu, guest_files, "web1", "--disk", DISK)
    any_qemu.serve()
    pyvirt(any_qemu, "domain", "start", "web1")
    known = json.loads(read(any_qemu, "/run/pyvirt/qemu/x86_64.json"))
    assert row(any_qemu, "web1")["machine"] == known["machine"]
    assert re.fullmatch(rf"pc-q35-{known['version'][0]}\.\d+", known["machine"])
    log_in(any_qemu, guest_files, lease(any_qemu, "web1"), "dd if=/dev/vda count=1 | wc -c")
    pyvirt(any_qemu, "domain", "stop", "web1")
    assert (printed(any_qemu, "web1"), traces(any_qemu)) == ("", [])
    pyvirt(any_qemu, "domain", "set", "web1", "machine=pc-q35-6.0")
    pyvirt(any_qemu, "domain", "start", "web1")


def test_a_guest_starts_from_a_cd_and_by_uefi(any_qemu: World) -> None:
    (any_qemu.root / "run/cd.iso").write_bytes(bootable_cd())
    size = ("--network", "lab", "--memory", "128", "--accel", "tcg", "--no-seed", "--disk", DISK)
    pyvirt(any_qemu, "domain", "create", "cd1", *size, "--cdrom", "/run/cd.iso")
    pyvirt(any_qemu, "domain", "create", "efi1", *size, "--firmware", "uefi")
    for name, said in (("cd1", SAID.decode().strip()), ("efi1", "BdsDxe: ")):
        pyvirt(any_qemu, "domain", "start", name)
        console = RUN / name / "console.log"
        any_qemu.wait_for(f"{name} to start", partial(says, any_qemu, console, said), 120)
        assert printed(any_qemu, name) == ""
        pyvirt(any_qemu, "domain", "stop", "--force", name)


def test_a_guest_has_encrypted_disks(any_qemu: World, guest_files: GuestFiles) -> None:
    key = ("--encrypt", "--secret-file", "/run/key")
    any_qemu.run(["sh", "-c", "umask 077; echo secret >/run/key"])
    pyvirt(any_qemu, "volume", "create", "data1", "--size", "8M", "--iter-time", "1", *key)
    define(any_qemu, guest_files, "web1", "--disk", DISK, *key, "--volume", "data1")
    other = ("--secret-file", "data1=/run/new", "--secret-file", "/run/key")
    any_qemu.run(["sh", "-c", "umask 077; echo other >/run/new"])
    new = ("--new-secret-file", "/run/new")
    pyvirt(any_qemu, "volume", "key", "change", "data1", *key[1:], *new)
    pyvirt(any_qemu, "domain", "start", "web1", *other)
    address = lease(any_qemu, "web1")
    write = (
        "for d in vda vdb; do echo hidden | dd of=/dev/$d conv=fsync; dd if=/dev/$d count=1; done"
    )
    assert log_in(any_qemu, guest_files, address, write).count("hidden") == 2
    assert printed(any_qemu, "web1") == ""
    pyvirt(any_qemu, "domain", "stop", "--force", "web1")
    found = any_qemu.run(["grep", "-rl", "hidden", "/var/lib/pyvirt"], check=False)
    assert found.stdout == ""
    pyvirt(any_qemu, "domain", "set", "web1", "size=128M")
    pyvirt(any_qemu, "domain", "start", "web1", *other)
    address = lease(any_qemu, "web1")
    size = log_in(any_qemu, guest_files, address, "cat /sys/block/vda/size")
    assert int(size) == (128 << 20) // 512
