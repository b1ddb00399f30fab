"""The sockets of systemd-resolved's hook: only where systemd has hooks, and off if disabled."""

from __future__ import annotations

from pathlib import Path

import pytest

from nss_pyvirt.installer import pieces
from nss_pyvirt.installer.install import install
from nss_pyvirt.installer.remove import remove
from nss_pyvirt.installer.status import status
from tests.nss_pyvirt.installer.image import system, tree

WANTS = "etc/systemd/system/leasewatch.service.wants"


def give_systemd(root: Path, version: str, folder: str = "usr/lib/systemd") -> None:
    path = root / folder / f"libsystemd-shared-{version}.so"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def bad(root: Path) -> list[str]:
    return [row.subject for row in status(system(root)) if row.state == "bad"]


@pytest.mark.parametrize(
    ("folder", "version", "number"),
    [
        ("usr/lib/systemd", "262", 262),
        ("usr/lib64/systemd", "258-1.fc43", 258),
        ("usr/lib/x86_64-linux-gnu/systemd", "252", 252),
        ("lib/aarch64-linux-gnu/systemd", "247", 247),
        ("usr/lib/systemd", "main", 0),
        ("opt", "262", 0),
    ],
)
def test_the_version_of_systemd_is_found_without_running_it(
    tmp_path: Path, folder: str, version: str, number: int
) -> None:
    give_systemd(tmp_path, version, folder)
    assert pieces.systemd_version(tmp_path) == number


@pytest.mark.parametrize("version", ["252", "257", "258"])
def test_a_systemd_without_hooks_gets_no_sockets(image: Path, version: str) -> None:
    give_systemd(image, version)
    assert not [line for line in install(system(image)) if ".socket" in line]
    assert not (image / WANTS).exists()
    assert bad(image) == []


def test_a_systemd_with_hooks_gets_both_and_remove_leaves_nothing(image: Path) -> None:
    give_systemd(image, "259")
    (image / "etc/tmpfiles.d").mkdir()
    before = tree(image)
    install(system(image))
    links = {link.name: str(link.readlink()) for link in (image / WANTS).iterdir()}
    assert links == pieces.SOCKETS
    assert bad(image) == []
    assert install(system(image)) == []
    remove(system(image))
    assert tree(image) == before


def test_after_an_upgrade_to_a_systemd_with_hooks_the_status_names_the_command(
    image: Path,
) -> None:
    give_systemd(image, "257")
    install(system(image))
    give_systemd(image, "262")
    assert bad(image) == ["unit"]
    assert len([line for line in install(system(image)) if ".socket" in line]) == 4
    assert bad(image) == []


def test_sockets_that_their_owner_has_disabled_stay_so(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_systemd(image, "262")
    install(system(image))
    for link in (image / WANTS).iterdir():
        link.unlink()
    monkeypatch.setattr(pieces, "__version__", "99")
    assert [line for line in install(system(image)) if line.startswith("enabled")] == []
    assert bad(image) == []


@pytest.mark.parametrize("unit", pieces.SOCKETS)
def test_a_socket_is_there_with_the_service_alone(unit: str) -> None:
    """A socket that listens without a service costs each matching lookup 30 seconds."""
    lines = pieces.packaged(unit).decode().splitlines()
    assert {
        "Service=leasewatch.service",
        "RemoveOnStop=yes",
        "SocketMode=0666",
        "WantedBy=leasewatch.service",
    } <= set(lines)
    service = pieces.packaged(pieces.UNIT).decode()
    assert unit in service.partition("$$SERVICE_RESULT")[2].partition("'\n")[0]
    path = next(line for line in lines if line.startswith("ListenStream=")).partition("=")[2]
    assert path.startswith(f"{pieces.HOOKS}/10-pyvirt-")
    assert f"{pieces.HOOKS}/10-pyvirt-*" in service
