"""What of the host a guest, its image and its QEMU may reach."""

from __future__ import annotations

from pathlib import Path

from tests.system.conftest import GuestFiles
from tests.system.test_domain import define, pyvirt, row, traces
from tests.system.test_domain import lab as lab  # noqa: PLC0414  # a fixture
from tests.system.world import World


def test_an_image_that_somebody_exchanged_shows_its_guest_no_file_of_the_host(
    lab: World, guest_files: GuestFiles
) -> None:
    image = Path("/var/tmp/base.qcow2")
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
    image = Path("/var/tmp/home/base.qcow2")
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
