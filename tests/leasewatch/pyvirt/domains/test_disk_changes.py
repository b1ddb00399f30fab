"""Disks that a domain gets, loses or has enlarged, with a real qemu-img."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined import store
from leasewatch.pyvirt.defined.domain import DomainDefinition
from leasewatch.pyvirt.defined.network import Network
from leasewatch.pyvirt.defined.setting import Setting
from leasewatch.pyvirt.domains.change import Changed, DomainChanges
from leasewatch.pyvirt.domains.domains import Domains
from leasewatch.pyvirt.domains.plan import DomainRequest
from leasewatch.pyvirt.domains.settings import apply
from leasewatch.pyvirt.files import DomainFiles
from nss_pyvirt.errors import UserError

MIB = 1 << 20


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A root with the domain web1 on a disk of 8 MiB, and the image `data.raw` of 4 MiB."""
    made = Paths(tmp_path / "root")
    lab = Network(name="lab", subnet="10.77.0.0/24", subnet6="fd77::/64")
    store.write(made.network_definitions, lab)
    for name, size in (("base", 8), ("data", 4)):
        with (tmp_path / f"{name}.raw").open("wb") as image:
            image.truncate(size * MIB)
            image.seek(510)
            image.write(b"\x55\xaa")
    request = DomainRequest(
        name="web1", networks=["lab"], disks=[tmp_path / "base.raw"], memory=64, cpus=1
    )
    Domains(made).create(request)
    return made


def set_(paths: Paths, key: str, sign: str, value: object) -> Changed:
    return apply(paths, "web1", [Setting(key, sign, value)])


def defined(paths: Paths) -> DomainDefinition:
    return DomainChanges(paths).get("web1")


def overlays(paths: Paths) -> dict[str, int]:
    """The size of each overlay in the domain's folder."""
    found = {}
    for file in sorted(DomainFiles(paths, "web1").data.glob("*.qcow2")):
        argv = ["qemu-img", "info", "--output=json", str(file)]
        done = subprocess.run(argv, capture_output=True, check=True)
        found[file.name] = int(json.loads(done.stdout)["virtual-size"])
    return found


def images(paths: Paths) -> int:
    return len(list(paths.images.glob("sha256-*")))


def test_a_disk_comes_and_goes_and_leaves_no_trace(paths: Paths, tmp_path: Path) -> None:
    before = defined(paths)
    set_(paths, "disk", "+=", (tmp_path / "data.raw",))
    assert overlays(paths) == {"disk.qcow2": 8 * MIB, "disk1.qcow2": 4 * MIB}
    assert (images(paths), len(defined(paths).disks)) == (2, 2)
    set_(paths, "disk", "-=", (Path("data.raw"),))
    assert overlays(paths) == {"disk.qcow2": 8 * MIB}
    assert images(paths) == 1
    assert defined(paths) == before


def test_a_disk_is_enlarged_and_never_shrinks(paths: Paths) -> None:
    set_(paths, "size", "=", 16 * MIB)
    assert overlays(paths) == {"disk.qcow2": 16 * MIB}
    assert defined(paths).disks[0].size == 16 * MIB
    set_(paths, "size", "=", 16 * MIB)
    with pytest.raises(UserError, match=r"8M is smaller than disk\.qcow2 \(16M\)"):
        set_(paths, "size", "=", 8 * MIB)
    assert overlays(paths) == {"disk.qcow2": 16 * MIB}


def test_a_running_guest_keeps_its_disks(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DomainChanges, "is_running", lambda *_: True)
    for key, sign, value in (("size", "=", 16 * MIB), ("disk", "-=", (Path("disk.qcow2"),))):
        with pytest.raises(UserError, match=r"domain web1 is using disk\.qcow2|nothing to start"):
            set_(paths, key, sign, value)
    assert overlays(paths) == {"disk.qcow2": 8 * MIB}


@pytest.mark.parametrize(
    ("sign", "file", "why"),
    [
        ("+=", "nowhere.raw", "there is no image .*/nowhere.raw"),
        ("+=", "text", "is no disk|not a disk|text"),
        ("-=", "nowhere.raw", 'there is no disk ".*nowhere.raw"'),
        ("-=", "base.raw", "nothing to start from"),
    ],
)
def test_a_wrong_disk_changes_nothing(
    paths: Paths, tmp_path: Path, sign: str, file: str, why: str
) -> None:
    (tmp_path / "text").write_text("hello\n" * 99)
    before = defined(paths)
    with pytest.raises(UserError, match=why):
        set_(paths, "disk", sign, (tmp_path / file,))
    assert (defined(paths), overlays(paths), images(paths)) == (before, {"disk.qcow2": 8 * MIB}, 1)


def test_a_disk_goes_again_if_the_change_fails(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("leasewatch.pyvirt.domains.live.take_over", fail)
    with pytest.raises(UserError, match=r"cannot change domain web1: .*No space left"):
        set_(paths, "disk", "+=", (tmp_path / "data.raw",))
    assert (overlays(paths), images(paths)) == ({"disk.qcow2": 8 * MIB}, 1)


def test_another_image_under_a_disk_is_refused(paths: Paths) -> None:
    file = DomainFiles(paths, "web1").definition
    text = file.read_bytes()
    digest = defined(paths).disks[0].sha256.encode()
    with pytest.raises(UserError, match=r"disk\.qcow2 has another image"):
        DomainChanges(paths).replace("web1", text, text.replace(digest, b"0" * 64))
    assert file.read_bytes() == text
