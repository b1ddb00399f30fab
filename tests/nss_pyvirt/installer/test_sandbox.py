"""What leasewatch.service sees: all that its sources need, and nothing beside it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from leasewatch.paths import Paths
from leasewatch.sources import registry
from nss_pyvirt.installer import pieces, sandbox
from tests.nss_pyvirt.installer.image import PROGRAM, system

FILES = [
    (source.name, pattern)
    for source in registry.SOURCES
    for files in (source.leases, source.owners, source.names)
    for pattern in (files.patterns if files else ())
]
P = Paths()
OURS = (P.network_runs, P.domain_runs, P.domain_definitions, P.config, P.leases, P.snapshot)
SECRETS = (
    *("/etc/shadow-", "/etc/krb5.keytab", "/etc/wireguard/wg0.conf", "/root/.ssh/id_ed25519"),
    *("/etc/NetworkManager/system-connections/home", "/var/lib/libvirt/images/vm1.qcow2"),
    *("/var/lib/libvirt/qemu/vm1/master-key.aes", "/var/lib/incus/server.key"),
    *("/var/lib/incus/storage-pools/default", "/var/snap/lxd/common/lxd/database/global/db.bin"),
    *("/var/snap/multipass/common/data/multipassd/ssh-keys/id_rsa", "/var/lib/mysql/ibdata1"),
    *("/var/lib/pyvirt/domains/web1/disk.qcow2", "/var/lib/systemd/credential.secret"),
    *("/data/vm.qcow2", "/opt/other/secret", "/srv/secret", "/run/secrets/key", "/boot/initrd"),
)


@pytest.fixture(autouse=True)
def _outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sandbox.MARK, raising=False)


def folder_shown(pattern: str) -> PurePosixPath:
    (found,) = {str(p) for p in PurePosixPath(pattern).parents} & sandbox.shown()
    return PurePosixPath(found)


@pytest.mark.parametrize(("source", "pattern"), FILES)
def test_every_file_of_a_source_is_seen_and_a_folder_that_appears_is_noticed(
    source: str, pattern: str
) -> None:
    assert not sandbox.hides(pattern), source
    parent = folder_shown(pattern).parent
    watch = pieces.packaged(pieces.APPEARED).decode().splitlines()
    assert f"PathChanged={parent}" in watch, source


def test_the_files_of_pyvirt_and_the_settings_are_seen() -> None:
    for path in OURS:
        assert not sandbox.hides(f"{path}/any"), path


@pytest.mark.parametrize("path", SECRETS)
def test_secrets_and_disks_are_not_seen(path: str) -> None:
    assert sandbox.hides(path)


def test_the_hint_shows_the_folder_unless_it_is_everybodys() -> None:
    assert "BindReadOnlyPaths=-/srv/dhcp;" in sandbox.hint("/srv/dhcp/office.leases")
    assert "BindReadOnlyPaths=-/etc/x.leases;" in sandbox.hint("/etc/x.leases")


def test_a_drop_in_shows_a_folder(tmp_path: Path) -> None:
    drop_in = tmp_path / "etc/systemd/system/leasewatch.service.d/sources.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nBindReadOnlyPaths=-/srv/dhcp/:/srv/dhcp:rbind /data\n")
    assert sandbox.shown(tmp_path) - sandbox.shown(tmp_path / "none") == {"/srv/dhcp", "/data"}


@pytest.mark.parametrize("unit", [pieces.UNIT, pieces.DNS])
def test_an_installed_unit_shows_its_program_and_the_python_of_it(
    tmp_path: Path, unit: str
) -> None:
    venv = tmp_path / "opt/pyvirt/bin"
    venv.mkdir(parents=True)
    (venv / "python").symlink_to("/opt/python3/bin/python3")
    text = pieces.system_file(unit, system(tmp_path)).decode()
    assert "\nBindReadOnlyPaths=/opt/python3 /opt/pyvirt\n" in text
    assert PROGRAM.startswith("/opt/pyvirt/")
    assert pieces.prefixes(system(tmp_path, "/usr/bin/leasewatch")) == []
