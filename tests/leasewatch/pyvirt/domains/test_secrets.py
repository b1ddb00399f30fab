"""The passphrases of a domain: who needs them, and how its parent gets them."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DiskDefinition, DomainDefinition, NicDefinition
from leasewatch.pyvirt.domains import disk_changes, secrets
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.volumes import luks
from leasewatch.pyvirt.volumes.secrets import Secret
from leasewatch.pyvirt.volumes.volumes import Volumes
from nss_pyvirt.errors import UserError

_DISK = DiskDefinition(
    file="disk.qcow2", sha256="0" * 64, source="/base", size=1 << 20, encrypted=True
)
_PLAIN = msgspec.structs.replace(_DISK, file="disk1.qcow2", encrypted=False)
WEB1 = DomainDefinition(
    name="web1",
    nics=(NicDefinition(network="lab", mac="52:54:00:12:34:56"),),
    memory=64,
    cpus=1,
    disks=(_DISK, _PLAIN),
)
SECRET = Secret(b"of the disk")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A root with the disk of `web1`: its head is enough here."""
    made = Paths(tmp_path)
    data = DomainFiles(made, "web1").data
    data.mkdir(parents=True)
    head = b"QFI\xfb".ljust(24, b"\0") + (1 << 20).to_bytes(8) + (2).to_bytes(4)
    (data / "disk.qcow2").write_bytes(head)
    return made


def test_encrypted_disks_and_volumes_need_a_passphrase(paths: Paths) -> None:
    Volumes(paths).create("plain", 1 << 20)
    both = msgspec.structs.replace(WEB1, volumes=("plain",))
    (needed,) = secrets.needed(paths, both)
    assert (needed.key, needed.word) == ("disk.qcow2", "disk.qcow2 of web1")
    assert WEB1.may_be_encrypted
    assert not msgspec.structs.replace(WEB1, disks=(_PLAIN,)).may_be_encrypted


def test_the_parent_finds_what_the_start_has_left_once(paths: Paths) -> None:
    files = DomainFiles(paths, "web1")
    secrets.put(files, {"disk.qcow2": SECRET})
    assert files.secrets.stat().st_mode & 0o777 == 0o600
    assert secrets.take(paths, WEB1) == {"disk.qcow2": SECRET}
    assert not files.secrets.exists()
    with pytest.raises(UserError, match=r"disk\.qcow2 of web1 needs its passphrase") as caught:
        secrets.take(paths, WEB1)
    assert caught.value.hint == "sudo pyvirt domain start web1 --secret-file FILE"


def test_a_start_without_passphrases_removes_those_of_a_killed_one(paths: Paths) -> None:
    files = DomainFiles(paths, "web1")
    secrets.put(files, {"disk.qcow2": SECRET})
    secrets.put(files, {})
    assert not files.secrets.exists()


def test_damaged_secrets_are_an_error_and_go(paths: Paths) -> None:
    files = DomainFiles(paths, "web1")
    files.run.mkdir(parents=True)
    files.secrets.write_bytes(b"[")
    with pytest.raises(UserError, match=r"cannot read .*/secrets"):
        secrets.take(paths, WEB1)
    assert not files.secrets.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="a secret file must be root's")
def test_the_parent_reads_the_definitions_secret_file(paths: Paths) -> None:
    key = paths.root / "key"
    key.write_bytes(SECRET + b"\n")
    key.chmod(0o600)
    domain = msgspec.structs.replace(WEB1, secret_file=str(key))
    assert secrets.take(paths, domain) == {"disk.qcow2": SECRET}
    os.chown(key, 1, 1)
    with pytest.raises(UserError, match="is not root's"):
        secrets.take(paths, domain)


def test_each_passphrase_is_asked_for_and_checked(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []
    monkeypatch.setattr(luks, "check", lambda *given: checked.append(given))
    found = secrets.collect(paths, WEB1, lambda disk: Secret(f"of {disk.key}".encode()))
    assert found == {"disk.qcow2": b"of disk.qcow2"}
    file = DomainFiles(paths, "web1").data / "disk.qcow2"
    assert checked == [(file, "disk.qcow2 of web1", b"of disk.qcow2")]


def test_a_wrong_secret_file_is_named(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_file: Path, what: str, _secret: Secret) -> None:
        raise luks.WrongSecretError(what)

    monkeypatch.setattr(luks, "check", refuse)
    monkeypatch.setattr(secrets, "_from_definition", lambda *_: SECRET)
    domain = msgspec.structs.replace(WEB1, secret_file="/root/key")
    with pytest.raises(UserError, match="the passphrase in /root/key does not open disk") as caught:
        secrets.collect(paths, domain, lambda _: None)
    assert caught.value.hint == (
        "sudo pyvirt volume key add web1/disk.qcow2 --new-secret-file /root/key"
    )
    with pytest.raises(luks.WrongSecretError):
        secrets.collect(paths, domain, lambda _: SECRET)


def test_an_encrypted_disk_is_enlarged_by_the_next_start(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    monkeypatch.setattr(luks, "resize", lambda _file, _what, _secret, size: sizes.append(size))
    larger = disk_changes.enlarged(WEB1, 2 << 20)
    with disk_changes.made(paths, WEB1, larger):
        assert sizes == []
    for domain in (WEB1, larger):
        secrets.put(DomainFiles(paths, "web1"), {"disk.qcow2": SECRET})
        secrets.take(paths, domain)
    assert sizes == [2 << 20]


def test_a_disk_is_neither_encrypted_nor_decrypted_afterwards() -> None:
    plain = msgspec.structs.replace(_DISK, encrypted=False)
    other = msgspec.structs.replace(WEB1, disks=(plain, _PLAIN))
    for old, new in ((WEB1, other), (other, WEB1)):
        with pytest.raises(UserError, match="cannot be encrypted afterwards, nor decrypted"):
            disk_changes.check(old, new, running=False)
