"""What starts a guest: BIOS or UEFI, a disk or a CD."""

from __future__ import annotations

from pathlib import Path

from tests.system.domains import RUN, pyvirt, read, row
from tests.system.guest import GuestFiles
from tests.system.world import World

SECTOR = 2048
SAID = b"started from the CD\r\n"
# mov si, text; mov dx, 0x3f8; next: lodsb; test al, al; jz end; out dx, al; jmp next; end: hlt
CODE = bytes.fromhex("be 157c ba f803 fc ac 84c0 74 03 ee eb f8 f4 eb fd").ljust(0x15, b"\x90")


def bootable_cd() -> bytes:
    """An ISO image by El Torito's specification: a catalog, and a sector that writes to ttyS0."""
    record = b"\0CD001\1EL TORITO SPECIFICATION".ljust(0x47, b"\0") + (19).to_bytes(4, "little")
    primary, end = b"\1CD001\1", b"\xffCD001\1"
    validation = b"\1\0\0\0" + bytes(24) + b"\xaa\x55\x55\xaa"  # its 16-bit words sum up to 0
    entry = b"\x88\0\0\0\0\0\4\0" + (20).to_bytes(4, "little") + bytes(20)
    sectors = [primary, record, end, validation + entry, CODE + SAID + b"\0"]
    return bytes(16 * SECTOR) + b"".join(each.ljust(SECTOR, b"\0") for each in sectors)


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
    lab.run(["qemu-img", "create", "-q", "-f", "qcow2", "/run/empty.qcow2", "1G"])
    create(lab, "new1", "--disk", "/run/empty.qcow2", "--cdrom", "/run/cd.iso")
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
        "pyvirt: the guest starts by UEFI, and OVMF is not installed",
        "  hint: apt install ovmf",
    ]
    assert "starts by UEFI alone" in create(lab, "efi2", "--disk", "/run/esp.img", check=False)
