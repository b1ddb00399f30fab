"""When /run/pyvirt/ssh_known_hosts and ssh_config are written."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.defined.login import Login
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.login import known_hosts

LOGIN = Login(user="root")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A root with the folders of two domains."""
    made = Paths(tmp_path)
    for name in ("web1", "web2"):
        DomainFiles(made, name).data.mkdir(parents=True)
    return made


def _publish(paths: Paths, name: str, login: Login | None = LOGIN) -> None:
    nics = (NicDefinition(network="lab", mac="52:54:00:00:00:01"),)
    domain = DomainDefinition(name=name, nics=nics, memory=128, cpus=1, login=login)
    known_hosts.publish(paths, domain, is_filtered=True)


def _names(paths: Paths) -> list[str]:
    lines = paths.ssh_known_hosts.read_text().splitlines()[1:]
    return [line.split()[0] for line in lines]


def test_what_is_known_already_is_not_written_again(paths: Paths) -> None:
    _publish(paths, "web1")
    before = paths.ssh_known_hosts.stat()
    assert stat.S_IMODE(before.st_mode) == 0o644
    _publish(paths, "web1")
    assert paths.ssh_known_hosts.stat().st_ino == before.st_ino
    _publish(paths, "web2")
    assert _names(paths) == ["web1", "web2"]


def test_a_deleted_domain_is_forgotten_and_the_others_stay(paths: Paths) -> None:
    _publish(paths, "web1")
    _publish(paths, "web2")
    known_hosts.forget(paths, "web1")
    assert _names(paths) == ["web2"]
    known_hosts.forget(paths, "web2")
    assert _names(paths) == []


def test_without_a_login_no_file_is_made(paths: Paths) -> None:
    _publish(paths, "web1", login=None)
    known_hosts.forget(paths, "web1")
    assert not paths.ssh_known_hosts.exists()


def test_ssh_waits_for_each_domain_also_without_a_login_until_it_is_deleted(paths: Paths) -> None:
    def domains() -> list[str]:
        lines = paths.ssh_config.read_text().splitlines()
        return [line.removeprefix("# domain:") for line in lines if line.startswith("# domain:")]

    known_hosts.forget(paths, "web1")
    assert not paths.ssh_config.exists()
    _publish(paths, "web1", login=None)
    _publish(paths, "web2")
    before = paths.ssh_config.stat()
    assert stat.S_IMODE(before.st_mode) == 0o644
    assert domains() == ["web1 web1", "web2 web2"]
    _publish(paths, "web1")
    assert paths.ssh_config.stat().st_ino == before.st_ino  # not written again
    known_hosts.forget(paths, "web1")
    assert domains() == ["web2 web2"]
