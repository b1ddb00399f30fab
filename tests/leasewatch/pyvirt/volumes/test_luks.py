"""Encrypted qcow2 files, by a real qemu-img."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from leasewatch.pyvirt.images import qemu_img
from leasewatch.pyvirt.volumes import luks
from leasewatch.pyvirt.volumes.secrets import Secret
from nss_pyvirt.errors import UserError

FIRST, SECOND, THIRD = (Secret(f"the {word} passphrase".encode()) for word in ("1st", "2nd", "3rd"))
FAST = 1  # ms: the time that one try of a passphrase takes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encrypted file that FIRST opens; its name is one that options could misunderstand."""
    file = tmp_path_factory.mktemp("luks") / "a,b=c.qcow2"
    luks.create(file, 1 << 20, FIRST, iter_time=FAST)
    return file


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    copy = tmp_path / made.name
    copy.write_bytes(made.read_bytes())
    return copy


def test_a_qemu_that_could_not_measure_itself_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As QEMU 7.2.22 does on a fast host."""
    wrapper, calls = tmp_path / "qemu-img", tmp_path / "calls"
    real = shutil.which("qemu-img")
    said = "Unable to get accurate CPU usage"
    wrapper.write_text(
        f"""#!/bin/sh
echo >> {calls}
[ $(wc -l < {calls}) -le 2 ] || exec {real} "$@"
rm {tmp_path}/disk.qcow2
echo "qemu-img: x: {said}" >&2
exit 1
"""
    )
    wrapper.chmod(0o755)
    monkeypatch.setattr(qemu_img, "PROGRAM", str(wrapper))
    luks.create(tmp_path / "disk.qcow2", 1 << 20, FIRST, iter_time=FAST)
    assert luks.header(tmp_path / "disk.qcow2").is_encrypted
    assert (tmp_path / "disk.qcow2").stat().st_mode & 0o777 == 0o600
    assert len(calls.read_text().split("\n")) > 3


def _opens(file: Path, secret: Secret) -> bool:
    try:
        luks.check(file, "volume data1", secret)
    except luks.WrongSecretError:
        return False
    return True


def test_only_root_can_read_it_and_only_its_passphrase_opens_it(made: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o600
    assert luks.header(made) == (1 << 20, True)
    assert (_opens(made, FIRST), _opens(made, SECOND)) == (True, False)


@pytest.mark.long
def test_a_further_passphrase_opens_it_until_it_is_removed(file: Path) -> None:
    luks.add(file, "volume data1", FIRST, SECOND, FAST)
    assert luks.slots(file) == [True, True, *[False] * 6]
    assert _opens(file, SECOND)
    luks.remove(file, "volume data1", SECOND)
    assert luks.slots(file) == [True, *[False] * 7]
    assert (_opens(file, FIRST), _opens(file, SECOND)) == (True, False)


def test_a_changed_passphrase_no_longer_opens_it(file: Path) -> None:
    luks.change(file, "volume data1", FIRST, SECOND, FAST)
    assert (_opens(file, FIRST), _opens(file, SECOND)) == (False, True)
    with pytest.raises(UserError, match="the new passphrase is the old one"):
        luks.change(file, "volume data1", SECOND, SECOND, FAST)


@pytest.mark.long
def test_a_slot_is_removed_by_another_passphrase(file: Path) -> None:
    luks.add(file, "volume data1", FIRST, SECOND, FAST)
    luks.remove(file, "volume data1", SECOND, 0)
    assert (_opens(file, FIRST), _opens(file, SECOND)) == (False, True)
    with pytest.raises(UserError, match="key slot 0 of volume data1 is empty") as caught:
        luks.remove(file, "volume data1", SECOND, 0)
    assert caught.value.hint == "in use: 1"


@pytest.mark.long
def test_the_last_passphrase_stays(file: Path) -> None:
    for slot in (None, 0):
        with pytest.raises(UserError, match="the last passphrase that opens volume data1"):
            luks.remove(file, "volume data1", FIRST, slot)
    with pytest.raises(luks.WrongSecretError):
        luks.remove(file, "volume data1", SECOND)
    luks.add(file, "volume data1", FIRST, FIRST, FAST)  # in two slots
    with pytest.raises(UserError, match="the last passphrase that opens volume data1"):
        luks.remove(file, "volume data1", FIRST)
    assert _opens(file, FIRST)


def test_a_wrong_passphrase_changes_nothing(file: Path) -> None:
    before = file.read_bytes()
    for change in (luks.add, luks.change):
        with pytest.raises(luks.WrongSecretError):
            change(file, "volume data1", SECOND, THIRD, FAST)
    assert file.read_bytes() == before


@pytest.mark.long
def test_an_overlay_hides_what_is_written_but_not_what_is_beneath(tmp_path: Path) -> None:
    base, overlay = tmp_path / "base.img", tmp_path / "overlay.qcow2"
    base.write_bytes(b"beneath!" * (1 << 17))
    luks.create(overlay, 2 << 20, FIRST, base=(base, "raw"), iter_time=FAST)
    key = tmp_path / "key"
    key.write_bytes(FIRST)
    done = subprocess.run(
        [
            *("qemu-io", "--object", f"secret,id=s,file={key}", "--image-opts"),
            f"driver=qcow2,file.filename={overlay},encrypt.key-secret=s",
            *("-c", "write -P 0x5a 0 64k", "-c", "read -P 0x5a 0 64k", "-c", "read -v 64k 16"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "beneath.beneath." in done.stdout
    assert _opens(overlay, FIRST)
    assert b"\x5a" * 64 not in overlay.read_bytes()
    luks.resize(overlay, "disk.qcow2 of web1", FIRST, 4 << 20)
    assert luks.header(overlay).size == 4 << 20


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "data1.qcow2"
    with pytest.raises(UserError, match="cannot make"):
        luks.create(file, 1 << 62, None)
    assert not file.exists()
