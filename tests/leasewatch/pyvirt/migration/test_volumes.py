"""The volumes of a domain that moves, between two roots."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from leasewatch.paths import Paths
from leasewatch.pyvirt.defined.domain import DomainDefinition, NicDefinition
from leasewatch.pyvirt.files import DomainFiles
from leasewatch.pyvirt.migration import disks
from leasewatch.pyvirt.volumes.volumes import Volumes
from nss_pyvirt.errors import UserError

WEB1 = DomainDefinition(
    name="web1",
    nics=(NicDefinition(network="lab", mac="52:54:00:12:34:56"),),
    memory=64,
    cpus=1,
    kernel="/boot/vmlinuz",
    volumes=("data1",),
)


@pytest.fixture
def here(tmp_path: Path) -> Paths:
    """The source, with the volume `data1`."""
    made = Paths(tmp_path / "here")
    Volumes(made).create("data1", 1 << 20)
    return made


@pytest.fixture
def there(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "there")


@pytest.fixture(autouse=True)
def _no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "_digest", lambda *_: "0" * 64)
    monkeypatch.setattr(disks, "_check_given", lambda _: None)


def test_a_volume_is_made_there_and_goes_here(here: Paths, there: Paths) -> None:
    with contextlib.ExitStack() as held:
        offer = held.enter_context(disks.offered(here, WEB1))
        assert not disks.answer(held, there, WEB1, offer).shared
        disks.make(held, there, WEB1, disks.DisksContent(), offer.volumes)
    assert Volumes(there).get("data1").size == 1 << 20
    disks.keep(there, WEB1)
    disks.discard(there, WEB1)
    assert Volumes(there).names() == ["data1"]
    disks.remove(here, WEB1, shared=False)
    assert list(here.volumes.iterdir()) == []


def test_what_was_made_goes_again_and_nothing_else(here: Paths, there: Paths) -> None:
    Volumes(there).create("data2", 1 << 20)
    with contextlib.ExitStack() as held:
        offer = held.enter_context(disks.offered(here, WEB1))
        disks.make(held, there, WEB1, disks.DisksContent(), offer.volumes)
        disks.discard(there, WEB1)
    assert Volumes(there).names() == ["data2"]
    assert not DomainFiles(there, "web1").data.exists()


def test_a_volume_of_that_name_is_not_overwritten(here: Paths, there: Paths) -> None:
    Volumes(there).create("data1", 1 << 20)
    with contextlib.ExitStack() as held:
        offer = held.enter_context(disks.offered(here, WEB1))
        with pytest.raises(UserError, match="volume data1 already exists"):
            disks.answer(held, there, WEB1, offer)
        with pytest.raises(UserError, match="volume data1 already exists"):
            disks.make(held, there, WEB1, disks.DisksContent(), offer.volumes)
    assert Volumes(there).names() == ["data1"]


def test_shared_volumes_stay(here: Paths) -> None:
    with contextlib.ExitStack() as held:
        offer = held.enter_context(disks.offered(here, WEB1))
        assert disks.answer(held, here, WEB1, offer).shared
    disks.remove(here, WEB1, shared=True)
    assert Volumes(here).names() == ["data1"]


def test_either_all_folders_are_shared_or_none(here: Paths, there: Paths) -> None:
    DomainFiles(here, "web1").data.mkdir(parents=True)
    there.volumes.parent.mkdir(parents=True)
    there.volumes.symlink_to(here.volumes)
    with contextlib.ExitStack() as held:
        offer = held.enter_context(disks.offered(here, WEB1))
        with pytest.raises(UserError, match="but not its volumes, or only them") as caught:
            disks.answer(held, there, WEB1, offer)
    assert caught.value.hint == "share all of /var/lib/pyvirt, or nothing of it"
