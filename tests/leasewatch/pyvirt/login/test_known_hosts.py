"""When /run/pyvirt/ssh_known_hosts is written."""

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
