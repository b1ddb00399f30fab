"""What starts a guest: BIOS or UEFI, a disk or a CD."""

from __future__ import annotations

from pathlib import Path

from tests.system.cd import SAID, bootable_cd
from tests.system.domains import RUN, pyvirt, read, row
from tests.system.guest import GuestFiles
from tests.system.world import World


def create(world: World, name: str, *options: str | Path, check: bool = True) -> str:
    size = ("--memory", "128", "--accel", "tcg", "--no-seed")
    words = ("domain", "create", name, "--network", "lab", *size, *options)
    return pyvirt(world, *words, check=check).stderr


def console(world: World, name: str) -> str:
    return read(world, RUN / name / "console.log")


def test_an_empty_disk_leaves_the_start_to_the_cd_which_is_only_read(started_lab: World) -> None:
    lab = started_lab
    (lab.root / "run/cd.iso").write_bytes(bootable_cd())
    lab.run(["chmod", "0600", "/run/cd.iso"])
    create(lab, "new1", "--size", "1G", "--cdrom", "/run/cd.iso")
    assert row(lab, "new1")["disks"] == ["an empty disk"]
    pyvirt(lab, "domain", "start", "new1")
    lab.wait_for("the CD to start", lambda: SAID.decode().strip() in console(lab, "new1"))
    pyvirt(lab, "domain", "stop", "--force", "new1")
    assert (lab.root / "run/cd.iso").read_bytes() == bootable_cd()
    lab.run(["rm", "/run/cd.iso"])
    refused = pyvirt(lab, "domain", "start", "new1", check=False).stderr
    assert refused.startswith("pyvirt: cannot open /run/cd.iso: No such file or directory\n")
    pyvirt(lab, "domain", "set", "new1", "cdrom=")
    pyvirt(lab, "domain", "start", "new1")


def test_a_disk_without_a_bios_loader_starts_by_uefi(
    started_lab: World, guest_files: GuestFiles
) -> None:
    lab = started_lab
    loader = Path("/run/esp/EFI/BOOT/BOOTX64.EFI")
    lab.run(["install", "-D", guest_files.kernel, loader])
    vvfat = 'json:{"driver":"vvfat","dir":"/run/esp","fat-type":16,"rw":false}'
    lab.run(["qemu-img", "convert", "-O", "raw", vvfat, "/run/esp.img"])
    mark = "printf '\\357' | dd of=/run/esp.img bs=1 seek=450 conv=notrunc status=none"
    lab.run(["sh", "-c", f"{mark}; head -c 440 /dev/zero | dd of=/run/esp.img conv=notrunc"])
    create(lab, "efi1", "--disk", "/run/esp.img")
    assert row(lab, "efi1")["firmware"] == "uefi"
    pyvirt(lab, "domain", "start", "efi1")
    lab.wait_for("UEFI to start the disk", lambda: "BdsDxe: start" in console(lab, "efi1"), 120)
    pyvirt(lab, "domain", "stop", "--force", "efi1")
    lab.run(["mount", "-t", "tmpfs", "tmpfs", "/usr/share/OVMF"])
    refused = pyvirt(lab, "domain", "start", "efi1", check=False).stderr.splitlines()
    assert refused == [
        "pyvirt: the guest starts by UEFI, and ovmf is not installed",
        "  hint: apt install ovmf",
    ]
    assert "starts by UEFI alone" in create(lab, "efi2", "--disk", "/run/esp.img", check=False)
