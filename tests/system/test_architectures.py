"""Guests of other architectures, on the QEMUs of Debian 12, 13 and sid, all emulated."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.shipped import run
from tests.system.domains import RUN, lease, log_in, pyvirt, read, row, traces
from tests.system.guest import GuestFiles
from tests.system.world import World

pytestmark = pytest.mark.long
HERE: Final = Path(__file__).parent
MEMORY: Final = {"aarch64": "128M", "ppc64le": "512M", "riscv64": "128M"}
DISK: Final = "/run/empty.qcow2"
LOADERS: Final = {"aarch64": "BOOTAA64.EFI", "riscv64": "BOOTRISCV64.EFI"}


@pytest.fixture(params=["bookworm", "trixie", "sid"])
def foreign_qemu(started_lab: World, request: pytest.FixtureRequest) -> World:
    """A world with the QEMUs of a suite for other architectures, and their firmware."""
    folder = run(HERE / "qemu_root.sh", request.param, "foreign", timeout=2000).strip()
    started_lab.run(["mount", "--bind", folder, "/usr/local"])
    below = "lowerdir=/usr/local/root/usr/share:/usr/share"
    started_lab.run(["mount", "-t", "overlay", "overlay", "-o", below, "/usr/share"])
    started_lab.run(["qemu-img", "create", "-q", "-f", "qcow2", DISK, "64M"])
    return started_lab


@pytest.fixture(params=["aarch64", "ppc64le", "riscv64"])
def foreign_guest(request: pytest.FixtureRequest) -> tuple[str, GuestFiles]:
    """An architecture, and the tiny guest for it."""
    folder = run(HERE / "foreign_guest.sh", request.param, timeout=2000).strip()
    return request.param, GuestFiles(Path(folder))


def console(world: World, name: str) -> str:
    return read(world, RUN / name / "console.log")


def test_a_guest_gets_a_lease_and_a_name_takes_a_login_and_shuts_down(
    foreign_qemu: World, foreign_guest: tuple[str, GuestFiles]
) -> None:
    lab, (arch, guest) = foreign_qemu, foreign_guest
    boot = ("--kernel", guest.kernel, "--initrd", guest.initrd, "--disk", DISK)
    size = ("--network", "lab", "--memory", MEMORY[arch])
    pyvirt(lab, "domain", "create", "web1", *size, *boot)
    assert row(lab, "web1")["arch"] == arch
    assert f" {arch} " in pyvirt(lab, "domain", "list").stdout
    lab.serve()
    begun = time.monotonic()
    pyvirt(lab, "domain", "start", "web1")
    address = lease(lab, "web1")
    leased = time.monotonic() - begun
    said = log_in(lab, guest, address, "uname -m; dd if=/dev/vda count=1 2>/dev/null | wc -c")
    logged_in = time.monotonic() - begun
    assert said.split() == [arch, "512"]
    assert lab.run(["getent", "ahostsv4", "web1"]).stdout.split()[0] == address
    begun = time.monotonic()
    pyvirt(lab, "domain", "stop", "web1", "--timeout", "60s")
    stopped = time.monotonic() - begun
    why = ("the guest shut down", "QEMU ended")  # the second: riscv64 with QEMU 7.2
    assert row(lab, "web1")["why"] in why
    assert (read(lab, RUN / "web1/qemu.log"), traces(lab)) == ("", [])
    print(f"FIGURES {arch} lease {leased:.1f} ssh {logged_in:.1f} stop {stopped:.1f}")


def test_the_machine_of_an_architecture_is_recorded(foreign_qemu: World) -> None:
    words = ("--network", "lab", "--size", "1G", "--cdrom", DISK, "--no-seed", "--memory", "512")
    for arch, begins in (("arm64", "virt-"), ("ppc64el", "pseries-")):
        pyvirt(foreign_qemu, "domain", "create", arch, *words, "--arch", arch)
        assert str(row(foreign_qemu, arch)["machine"]).startswith(begins)


@pytest.mark.parametrize("arch", LOADERS)
def test_uefi_starts_a_disk_whose_loader_says_its_architecture(
    foreign_qemu: World, arch: str
) -> None:
    lab = foreign_qemu
    package = {"aarch64": "AAVMF", "riscv64": "qemu-efi-riscv64"}[arch]
    if not (lab.root / "usr/share" / package).exists():
        pytest.skip("Debian 12 has no UEFI for riscv64")
    guest = GuestFiles(Path(run(HERE / "foreign_guest.sh", arch, timeout=2000).strip()))
    lab.run(["install", "-D", guest.kernel, f"/run/esp/EFI/BOOT/{LOADERS[arch]}"])
    vvfat = 'json:{"driver":"vvfat","dir":"/run/esp","fat-type":16,"rw":false}'
    lab.run(["qemu-img", "convert", "-O", "raw", vvfat, "/run/esp.img"])
    mark = "printf '\\357' | dd of=/run/esp.img bs=1 seek=450 conv=notrunc status=none"
    lab.run(["sh", "-c", mark])
    words = ("--network", "lab", "--memory", "512", "--no-seed", "--disk", "/run/esp.img")
    pyvirt(lab, "domain", "create", "efi1", *words)
    assert (row(lab, "efi1")["arch"], row(lab, "efi1")["firmware"]) == (arch, "uefi")
    pyvirt(lab, "domain", "start", "efi1")
    console_says = partial(lambda text: text in console(lab, "efi1"), "EFI stub: Booting Linux")
    lab.wait_for("UEFI to start the disk", console_says, 300)
    assert read(lab, RUN / "efi1/qemu.log") == ""
    pyvirt(lab, "domain", "stop", "--force", "efi1")


def test_the_firmware_of_pseries_looks_for_a_system_on_disk_and_cd(foreign_qemu: World) -> None:
    lab = foreign_qemu
    words = ("--network", "lab", "--memory", "512", "--no-seed", "--arch", "ppc64le")
    pyvirt(lab, "domain", "create", "p1", *words, "--size", "1G", "--cdrom", DISK)
    pyvirt(lab, "domain", "start", "p1")
    lab.wait_for("SLOF to look", lambda: "Trying to load" in console(lab, "p1"), 300)
    lab.wait_for("SLOF to see the CD", lambda: "scsi" in console(lab, "p1"), 60)
    assert read(lab, RUN / "p1/qemu.log") == ""
    pyvirt(lab, "domain", "stop", "--force", "p1")
