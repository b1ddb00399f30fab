"""What a domain's image may show its guest of the host."""

from __future__ import annotations

from pathlib import Path

from tests.system.conftest import GuestFiles
from tests.system.test_domain import define, pyvirt, traces
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
