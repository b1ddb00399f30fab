"""A domain's disks, by a real qemu-img: overlays of images that pyvirt owns."""

from __future__ import annotations

import contextlib
import json
import shlex
import subprocess
from pathlib import Path

import msgspec
import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.domains import disk
from leasewatch.pyvirt.domains.plan import DomainRequest
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.images.store import Images
from nss_pyvirt.errors import UserError

FORMER = DomainDefinition(
    name="web1",
    nics=(NicDefinition(network="lab", mac="52:54:00:12:34:56"),),
    memory=64,
    cpus=1,
    disk="replaced by each test",
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A root with the folder of a domain `web1`."""
    made = Paths(tmp_path / "root")
    DomainFiles(made, "web1").data.mkdir(parents=True)
    made.domain_definitions.mkdir(parents=True)
    return made


def _image(file: Path, kind: str = "qcow2") -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, file, "1M"], check=True)
    return file


def _info(file: Path) -> dict[str, object]:
    asked = ["qemu-img", "info", "--output=json", str(file)]
    found = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    assert isinstance(found, dict)
    return found


def test_the_first_disk_is_of_the_named_image_and_the_others_of_files(
    paths: Paths, tmp_path: Path
) -> None:
    Images(paths).add("debian-12", _image(tmp_path / "debian.qcow2"))
    files = [_image(tmp_path / f"{number}.img", "raw") for number in (1, 2)]
    with (tmp_path / "2.img").open("r+b") as second:
        second.write(b"\xff\xff" * 999)
    request = DomainRequest(
        name="web1",
        networks=["lab"],
        memory=64,
        cpus=1,
        image="debian-12",
        disks=files,
        size=1 << 30,
    )
    with contextlib.ExitStack() as held:
        disks = disk.take_images(held, paths, request)
        for each in disks:
            disk.make_overlay(paths, "web1", each)
        domain = msgspec.structs.replace(FORMER, disk=None, disks=disks)
        store.write(paths.domain_definitions, domain)
    assert [each.file for each in disks] == ["disk.qcow2", "disk1.qcow2", "disk2.qcow2"]
    assert [each.source for each in disks] == ["debian-12", *map(str, files)]
    assert [each.size for each in disks] == [1 << 30, 1 << 20, 1 << 20]
    drives = [drive.layers for drive in disk.drives(paths, domain)]
    assert [image.format for _, image in drives] == ["qcow2", "raw", "raw"]
    for (overlay, image), wanted in zip(drives, disks, strict=True):
        assert (overlay.writable, image.writable) == (True, False)
        info = _info(overlay.path)
        assert info["full-backing-filename"] == str(image.path)
        assert info["backing-filename-format"] == image.format
        assert info["virtual-size"] == wanted.size
    drives[1][0].path.unlink()
    with pytest.raises(UserError, match=r"disk .*/disk1\.qcow2 of domain web1 is gone"):
        disk.drives(paths, domain)


def _former(paths: Paths, image: Path, kind: str = "qcow2") -> DomainDefinition:
    """What an earlier version has made: an overlay of a file that somebody else owns."""
    overlay = DomainFiles(paths, "web1").overlay
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", str(image), str(overlay)]
    subprocess.run(argv, check=True)
    domain = msgspec.structs.replace(FORMER, disk=str(image))
    store.write(paths.domain_definitions, domain)
    return domain


@pytest.mark.parametrize("kind", ["qcow2", "raw"])
def test_a_disk_of_an_earlier_version_gets_an_image_of_its_own(
    paths: Paths, tmp_path: Path, kind: str
) -> None:
    image = _image(tmp_path / f"base.{kind}", kind)
    subprocess.run(["qemu-io", "-f", kind, "-c", "write -P 7 0 4k", image], check=True)
    domain = disk.adopt(paths, _former(paths, image, kind))
    image.write_bytes(b"another one")
    assert domain == store.read(paths.domain_definitions, "web1", DomainDefinition)
    assert domain.disk is None
    assert [(each.source, each.size) for each in domain.disks] == [(str(image), 1 << 20)]
    ((overlay, copy),) = (drive.layers for drive in disk.drives(paths, domain))
    assert _info(overlay.path)["full-backing-filename"] == str(copy.path)
    read = ["qemu-io", "-r", "-c", "read -P 7 0 4k", str(overlay.path)]
    said = subprocess.run(read, capture_output=True, text=True, check=True).stdout
    assert "Pattern verification failed" not in said
    assert disk.adopt(paths, domain) == domain
    Images(paths).forget_unused()
    assert len(Images(paths).known()) == 1


def test_a_link_in_the_place_of_an_earlier_versions_image_is_followed_once_the_hint_was_typed(
    paths: Paths, tmp_path: Path
) -> None:
    image = _image(tmp_path / "base.qcow2")
    domain = _former(paths, image)
    image.rename(tmp_path / "moved.qcow2")
    with pytest.raises(UserError, match=r"cannot copy image .*/base\.qcow2: No such file"):
        disk.adopt(paths, domain)
    image.symlink_to("moved.qcow2")
    with pytest.raises(UserError, match="a symbolic link leads") as error:
        disk.adopt(paths, domain)
    typed = error.value.hint.partition(": ")[2].replace("FORMAT", "qcow2")
    subprocess.run(shlex.split(typed), check=True)
    assert disk.adopt(paths, domain).disks


def test_an_exchanged_image_of_an_earlier_version_shows_its_guest_no_file_of_the_host(
    paths: Paths, tmp_path: Path
) -> None:
    image = _image(tmp_path / "base.qcow2")
    domain = _former(paths, image)
    other = ["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", "/etc/shadow"]
    subprocess.run([*other, image, "1M"], check=True)
    with pytest.raises(UserError, match="continues in another file, /etc/shadow"):
        disk.adopt(paths, domain)
