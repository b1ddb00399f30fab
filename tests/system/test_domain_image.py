"""What of the host a guest, its image and its QEMU may reach."""

from __future__ import annotations

from pathlib import Path

from tests.system.domains import RUN, define, pyvirt, read, row, traces
from tests.system.guest import GuestFiles
from tests.system.world import World


def test_an_image_that_somebody_exchanged_shows_its_guest_no_file_of_the_host(
    lab: World, guest_files: GuestFiles
) -> None:
    image = Path("/var/lib/base.qcow2")
    lab.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"])
    define(lab, guest_files, "db1", "--disk", image)
    other = ["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", "/etc/shadow"]
    lab.run([*other, image, "8M"])
    refused = pyvirt(lab, "domain", "start", "db1", check=False)
    assert refused.returncode == 1
    what, hint = refused.stderr.splitlines()
    assert what == f"pyvirt: image {image} continues in another file, /etc/shadow"
    assert "qemu-img convert" in hint
    assert traces(lab) == []


def test_a_qemu_reads_a_users_closed_image_and_has_no_other_power_of_roots(
    lab: World, guest_files: GuestFiles
) -> None:
    image = Path("/var/lib/home/base.qcow2")
    lab.run(["install", "-d", "-m", "0700", "-o", "nobody", image.parent])
    lab.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], user="nobody")
    lab.run(["chmod", "0600", image])
    define(lab, guest_files, "db1", "--disk", image)
    pyvirt(lab, "domain", "start", "db1")
    qemu = lab.run(["ps", "-o", "pid=", "--ppid", str(row(lab, "db1")["pid"])]).stdout.strip()
    status = lab.run(["cat", f"/proc/{qemu}/status"]).stdout
    held = dict(line.split() for line in status.splitlines() if line.startswith("Cap"))
    dac_read_search = f"{1 << 2:016x}"
    assert held["CapEff:"] == held["CapPrm:"] == held["CapBnd:"] == dac_read_search


UNBOOTABLE = {
    "empty": "truncate -s 8M empty.img",
    "unwritten": "qemu-img create -q -f qcow2 unwritten.img 8M",
    "page": "{ printf '<html>404 Not Found</html>'; head -c 1M /dev/zero; } >page.img",
    "foreign": "head -c 1M /dev/zero | tr '\\0' '\\377' >foreign.img",
}


def test_a_disk_that_cannot_boot_says_so_on_the_console(lab: World) -> None:
    folder = Path("/var/lib/unbootable")
    lab.run(["mkdir", folder])
    for name, make in UNBOOTABLE.items():
        lab.run(["sh", "-c", f"cd {folder} && {make}"])
        options = ("--disk", folder / f"{name}.img", "--memory", "64", "--accel", "tcg")
        pyvirt(lab, "domain", "create", name, "--network", "lab", *options)
        pyvirt(lab, "domain", "start", name)

    def silent() -> list[str]:
        logs = {name: read(lab, RUN / name / "console.log") for name in UNBOOTABLE}
        return [name for name, log in logs.items() if "No bootable device" not in log]

    lab.wait_for("each to say that nothing boots", lambda: not silent())
