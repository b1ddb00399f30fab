"""What of the host a guest, its image and its QEMU may reach."""

from __future__ import annotations

from pathlib import Path

from tests.system.domains import RUN, define_idle, pyvirt, read, row, traces
from tests.system.world import World


def test_a_domain_keeps_its_image_when_somebody_exchanges_the_file(idle_lab: World) -> None:
    image = Path("/var/lib/base.qcow2")
    idle_lab.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"])
    define_idle(idle_lab, "db1", "--disk", image)
    other = ["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", "/etc/shadow"]
    idle_lab.run([*other, image, "8M"])
    pyvirt(idle_lab, "domain", "start", "db1")
    pyvirt(idle_lab, "domain", "stop", "--force", "db1")
    create = ("domain", "create", "db2", "--network", "lab", "--no-seed", "--disk", image)
    refused = pyvirt(idle_lab, *create, check=False)
    assert refused.returncode == 1
    what, hint = refused.stderr.splitlines()
    assert what == f"pyvirt: image {image} continues in another file, /etc/shadow"
    assert "qemu-img convert" in hint
    pyvirt(idle_lab, "domain", "delete", "db1")
    assert traces(idle_lab) == []
    assert idle_lab.run(["test", "-e", "/var/lib/pyvirt/images"], check=False).returncode == 1


def test_a_domain_has_each_of_its_disks_in_order(idle_lab: World) -> None:
    for number in (1, 2):
        file = f"/var/lib/disk{number}.img"
        idle_lab.run(["sh", "-c", f"printf '\\37{number}' >{file}; truncate -s {number}M {file}"])
    disks = ("--disk", "/var/lib/disk1.img", "--disk", "/var/lib/disk2.img", "--size", "3M")
    define_idle(idle_lab, "db1", *disks)
    assert row(idle_lab, "db1")["disks"] == ["/var/lib/disk1.img", "/var/lib/disk2.img"]
    pyvirt(idle_lab, "domain", "start", "db1")
    pyvirt(idle_lab, "domain", "stop", "--force", "db1")
    pyvirt(idle_lab, "domain", "delete", "db1", "--keep-disk")
    for number, name, size in ((1, "db1", 3), (2, "db1.disk1", 2)):
        kept = f"/var/lib/pyvirt/domains/{name}.qcow2"
        raw = (
            f"qemu-img convert -O raw {kept} /var/lib/whole; head -c 1 /var/lib/whole | od -An -tx1"
        )
        assert idle_lab.run(["sh", "-c", raw]).stdout.split() == [f"f{8 + number:x}"]
        assert idle_lab.run(["stat", "-c%s", "/var/lib/whole"]).stdout == f"{size << 20}\n"
    assert idle_lab.run(["test", "-e", "/var/lib/pyvirt/images"], check=False).returncode == 1


def test_a_guest_may_have_a_users_closed_image(idle_lab: World) -> None:
    image = Path("/var/lib/home/base.qcow2")
    idle_lab.run(["install", "-d", "-m", "0700", "-o", "nobody", image.parent])
    idle_lab.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], user="nobody")
    idle_lab.run(["chmod", "0600", image])
    define_idle(idle_lab, "db1", "--disk", image)
    pyvirt(idle_lab, "domain", "start", "db1")


def test_a_guest_may_have_a_closed_kernel(idle_lab: World) -> None:
    idle_lab.run(["chmod", "0600", "/run/idle-kernel"])
    pyvirt(idle_lab, "domain", "start", "web1")


UNBOOTABLE = {
    "empty": "truncate -s 8M empty.img",
    "unwritten": "qemu-img create -q -f qcow2 unwritten.img 8M",
    "page": "{ printf '<html>404 Not Found</html>'; head -c 1M /dev/zero; } >page.img",
    "foreign": "head -c 1M /dev/zero | tr '\\0' '\\377' >foreign.img",
}


def test_a_disk_that_cannot_boot_says_so_on_the_console(idle_lab: World) -> None:
    folder = Path("/var/lib/unbootable")
    idle_lab.run(["mkdir", folder])
    for name, make in UNBOOTABLE.items():
        idle_lab.run(["sh", "-c", f"cd {folder} && {make}"])
        options = ("--disk", folder / f"{name}.img", "--memory", "64", "--accel", "tcg")
        pyvirt(idle_lab, "domain", "create", name, "--network", "lab", *options)
        pyvirt(idle_lab, "domain", "start", name)

    def silent() -> list[str]:
        logs = {name: read(idle_lab, RUN / name / "console.log") for name in UNBOOTABLE}
        return [name for name, log in logs.items() if "No bootable device" not in log]

    idle_lab.wait_for("each to say that nothing boots", lambda: not silent())
