"""A domain's disk, by a real qemu-img: which images it may lie over, and which no longer."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from leasewatch.pyvirt.domains.disk import check_base, make_overlay
from nss_pyvirt.errors import UserError


@pytest.fixture
def overlay(tmp_path: Path) -> Path:
    """Where the disk is to be, in a folder of its own."""
    return tmp_path / "disk" / "disk.qcow2"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A good image."""
    return _create("-f", "qcow2", tmp_path / "base.qcow2")


def _create(*words: str | Path) -> Path:
    *options, image = words
    subprocess.run(["qemu-img", "create", "-q", *options, image, "1M"], check=True)
    return Path(image)


def _craft(kind: str, image: Path) -> str:
    """Make `image` show `/etc/shadow` to its guest; why it is to be refused."""
    image.unlink(missing_ok=True)
    if kind == "backing file":
        _create("-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", image)
        return "continues in another file, /etc/shadow"
    if kind == "link":
        image.symlink_to("/etc/shadow")
        return "symbolic link leads from image .* to /etc/shadow"
    image.write_text("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n")
    with image.open("a") as file:
        file.write('createType="monolithicFlat"\nRW 8 FLAT "/etc/shadow" 0\n')
    return "is neither qcow2 nor raw but vmdk"


def test_a_file_that_is_no_image_is_taken_as_a_raw_disk(tmp_path: Path, overlay: Path) -> None:
    raw = tmp_path / "raw.img"
    raw.write_bytes(bytes(1 << 20))
    make_overlay(raw, overlay, None)
    asked: list[str | Path] = ["qemu-img", "info", "--output=json", overlay]
    image = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
    assert image["backing-filename-format"] == "raw"


def test_a_file_that_is_not_the_qcow2_of_its_name_is_refused(tmp_path: Path, overlay: Path) -> None:
    named = tmp_path / "debian-12.QCOW2"
    named.write_text("<html>404 Not Found</html>\n")
    with pytest.raises(UserError, match=r"debian-12\.QCOW2 is not qcow2 but raw") as error:
        make_overlay(named, overlay, None)
    assert f"file {named}" in error.value.hint
    assert not overlay.parent.exists()


@pytest.mark.parametrize("kind", ["backing file", "descriptor"])
@pytest.mark.parametrize("name", ["it's.qcow2", "crafted.img"])
def test_an_image_that_continues_in_another_file_is_refused(
    tmp_path: Path, overlay: Path, kind: str, name: str
) -> None:
    crafted = tmp_path / name
    why = _craft(kind, crafted)
    with pytest.raises(UserError, match=why) as error:
        make_overlay(crafted, overlay, None)
    typed = shlex.split(error.value.hint.partition(": ")[2])
    whole = f"{crafted}.whole.qcow2"
    assert typed == ["qemu-img", "convert", "-O", "qcow2", str(crafted), whole]
    assert not overlay.parent.exists()


@pytest.mark.parametrize("kind", ["backing file", "descriptor", "link"])
@pytest.mark.parametrize("format_", ["qcow2", "raw"])
def test_an_image_that_was_exchanged_since_is_refused(
    tmp_path: Path, overlay: Path, kind: str, format_: str
) -> None:
    image = _create("-f", format_, tmp_path / f"base.{format_}")
    make_overlay(image, overlay, None)
    check_base(overlay)
    why = _craft(kind, image)
    with pytest.raises(UserError, match=why):
        check_base(overlay)


def test_an_image_that_has_moved_is_trusted_once_the_hint_was_typed(
    base: Path, overlay: Path
) -> None:
    make_overlay(base, overlay, None)
    base.rename(base.with_name("moved.qcow2"))
    with pytest.raises(UserError, match=r"cannot read image .*/base\.qcow2: .*No such file"):
        check_base(overlay)
    base.symlink_to("moved.qcow2")
    with pytest.raises(UserError, match="a symbolic link leads") as error:
        check_base(overlay)
    subprocess.run(shlex.split(error.value.hint.partition(": ")[2]), check=True)
    check_base(overlay)


def test_a_disk_of_an_image_that_is_refused_starts_once_the_hint_was_typed(
    base: Path, overlay: Path
) -> None:
    make_overlay(base, overlay, None)
    _create("-f", "vdi", base)  # which an earlier version took
    with pytest.raises(UserError, match="neither qcow2 nor raw but vdi") as error:
        check_base(overlay)
    subprocess.run(["sh", "-ec", error.value.hint.partition(": ")[2]], check=True)
    check_base(overlay)


@pytest.mark.parametrize(
    ("does", "why"),
    [
        ("kill -9 $$", "qemu-img ended by signal 9"),
        ("exit 1", "qemu-img ended by exit 1"),
        ("printf 'no image here\\377\\n' >&2; exit 1", "no image here\ufffd"),
    ],
)
def test_a_qemu_img_that_fails_is_one_clear_line(
    base: Path, overlay: Path, monkeypatch: pytest.MonkeyPatch, does: str, why: str
) -> None:
    _replace_qemu_img(monkeypatch, overlay.parents[1] / "bin", does)
    with pytest.raises(UserError) as error:
        make_overlay(base, overlay, None)
    assert error.value.what == f"cannot read image {base}: {why}"


def test_a_qemu_img_that_does_not_end_is_reported_with_a_hint(
    base: Path, overlay: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _replace_qemu_img(monkeypatch, overlay.parents[1] / "bin", "exec sleep 60")
    monkeypatch.setattr("leasewatch.pyvirt.domains.disk._PATIENCE", 0.5)
    with pytest.raises(UserError, match=r"qemu-img has not ended within 0\.5 s$") as error:
        make_overlay(base, overlay, None)
    asked = f"qemu-img info -U --output=json {base}"
    assert error.value.hint == f"see whether this ends: {asked}"


def _replace_qemu_img(monkeypatch: pytest.MonkeyPatch, folder: Path, does: str) -> None:
    program = folder / "qemu-img"
    folder.mkdir()
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
