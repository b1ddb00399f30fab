"""Seeds, made by the real ssh-keygen and qemu-img."""

from __future__ import annotations

import itertools
import stat
import subprocess
from pathlib import Path

import msgspec
import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.login import Login
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.login import seed
from nss_pyvirt.errors import UserError
from tests.leasewatch.killing import killed_at_each_step

DOMAIN = DomainDefinition(
    name="web1",
    nics=(NicDefinition(network="lab", mac="52:54:00:00:00:01"),),
    memory=128,
    cpus=1,
    uuid="0b1c2d3e-0000-4000-8000-000000000001",
    login=Login(user="alice"),
)


@pytest.fixture
def files(tmp_path: Path) -> DomainFiles:
    """A domain with an empty folder, whose path has a comma."""
    made = DomainFiles(Paths(tmp_path / "a,b"), "web1")
    made.data.mkdir(parents=True, mode=0o700)
    return made


def test_a_seed_is_a_small_fat_disk_that_cloud_init_finds_by_its_label(files: DomainFiles) -> None:
    seed.make(files, DOMAIN, "#!/bin/sh\n")
    data = files.seed.read_bytes()
    assert data[0x2B:0x36] == b"cidata     "  # the label in the boot sector
    for name in ("meta-data", "user-data"):
        assert (files.seed_texts / name).read_bytes() in data
    assert files.seed.stat().st_blocks * 512 <= 64 << 10
    assert b"#!/bin/sh" in data


def test_only_root_reads_what_is_secret(files: DomainFiles) -> None:
    seed.make(files, DOMAIN, "#!/bin/sh\n")
    secrets = [files.host_key, files.seed, files.user_data, *files.seed_texts.iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


def test_the_host_key_is_one_of_ssh_and_is_kept(files: DomainFiles) -> None:
    seed.make(files, DOMAIN)
    private, public = seed.host_key(files)
    asked = ["ssh-keygen", "-y", "-f", str(files.host_key)]
    derived = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert derived.split()[:2] == public.split()[:2]
    assert private in files.seed.read_text(errors="replace").replace("\n    ", "\n")


def test_half_a_key_is_made_again(files: DomainFiles) -> None:
    files.host_key.write_text("half")
    assert seed.host_key(files)[0].startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")


def test_a_seed_is_made_again_only_if_something_has_changed(files: DomainFiles) -> None:
    seed.make(files, DOMAIN)
    before = files.seed.stat().st_ino
    seed.refresh(files, DOMAIN)
    assert files.seed.stat().st_ino == before
    renamed = msgspec.structs.replace(DOMAIN, name="web2")
    seed.refresh(files, renamed)
    assert b'local-hostname: "web2"' in files.seed.read_bytes()
    files.seed.unlink()
    seed.refresh(files, renamed)
    assert files.seed.exists()


def test_the_seed_of_several_cards_sets_up_each_until_there_is_one(files: DomainFiles) -> None:
    second = NicDefinition(network="dmz", mac="52:54:00:00:00:02")
    several = msgspec.structs.replace(DOMAIN, nics=(*DOMAIN.nics, second))
    for domain, mac in ((DOMAIN, b""), (several, b"52:54:00:00:00:02"), (DOMAIN, b"")):
        seed.refresh(files, domain)
        image = files.seed.read_bytes()
        assert (second.mac.encode() in image) is bool(mac)
        there = {path.name for path in files.seed_texts.iterdir()}
        assert there == {"meta-data", "user-data", *(["network-config"] if mac else [])}


def test_a_seed_that_was_being_made_when_its_command_was_killed_is_made_again(
    files: DomainFiles,
) -> None:
    seed.make(files, DOMAIN)
    names = itertools.cycle(("web2", "web1"))
    domain = DOMAIN

    def change() -> None:
        nonlocal domain
        domain = msgspec.structs.replace(DOMAIN, name=next(names))

    kills = 0
    for _ in killed_at_each_step(lambda: seed.refresh(files, domain), change):
        kills += 1
        seed.refresh(files, domain)
        assert f'local-hostname: "{domain.name}"'.encode() in files.seed.read_bytes()
    assert kills > 5


def test_a_domain_without_a_login_gets_no_seed(files: DomainFiles) -> None:
    seed.refresh(files, msgspec.structs.replace(DOMAIN, login=None))
    assert not list(files.data.iterdir())


def test_a_missing_program_is_named_with_its_package(
    files: DomainFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UserError, match="ssh-keygen is not installed") as error:
        seed.make(files, DOMAIN)
    assert error.value.hint == "apt install openssh-client"
