"""Which installation a program belongs to, and how several on one system get along."""

from __future__ import annotations

from pathlib import Path

import pytest

from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import deb, installation, pieces, ssh_config, which
from nss_pyvirt.installer.install import install
from nss_pyvirt.installer.pieces import UNIT, System
from nss_pyvirt.installer.remove import remove
from nss_pyvirt.installer.status import status
from tests.nss_pyvirt.installer.image import LIBS, NSSWITCH, system, tree

DEB = "/usr/bin/leasewatch"
GLOBAL = "/opt/pipx/venvs/nss-pyvirt/bin/leasewatch"
OWN = "/home/u/.local/share/pipx/venvs/nss-pyvirt/bin/leasewatch"
CHECKOUT = "/home/u/nss-pyvirt/.venv/bin/leasewatch"
FOUND = {
    DEB: ("Debian package", "sudo apt remove pyvirt leasewatch libnss-pyvirt"),
    GLOBAL: (
        "pipx --global /opt/pipx/venvs/nss-pyvirt",
        "sudo pipx uninstall --global nss-pyvirt",
    ),
    OWN: (
        "pipx /home/u/.local/share/pipx/venvs/nss-pyvirt",
        "pipx uninstall nss-pyvirt",
    ),
    "/opt/pyvirt/bin/leasewatch": (
        "virtual environment /opt/pyvirt",
        "sudo /opt/pyvirt/bin/pip uninstall nss-pyvirt",
    ),
    CHECKOUT: (
        "checkout with /home/u/nss-pyvirt/.venv",
        "/home/u/nss-pyvirt/.venv/bin/pip uninstall nss-pyvirt",
    ),
    "/usr/local/bin/leasewatch": ("pip in /usr/local", "sudo pip uninstall nss-pyvirt"),
}


def add(root: Path, program: str, version: str = "2026.1.0") -> Path:
    """Put an installation there, as its installer leaves it; returns the program."""
    path = root / program[1:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    prefix = path.parents[1]
    packages = prefix / "lib/python3.13/site-packages"
    if program == DEB:
        packages = root / installation.TREE[1:]
    elif program in {GLOBAL, OWN}:
        (prefix / "pipx_metadata.json").touch()
    if prefix.name != "local":
        (prefix / "pyvenv.cfg").touch()
    info = packages / f"nss_pyvirt-{version}.dist-info"
    info.mkdir(parents=True)
    if program == CHECKOUT:
        (info / "direct_url.json").write_text('{"dir_info": {"editable": true}, "url": "x"}')
    return path


def dpkg_has(root: Path, *packages: str, state: str = "install ok installed") -> None:
    """Have the image's dpkg list these packages."""
    place = root / "var/lib/dpkg/status"
    place.parent.mkdir(parents=True, exist_ok=True)
    listed = [f"Package: {name}\nStatus: {state}\nVersion: 1\n" for name in packages]
    other = "Package: leasewatch-doc\nStatus: install ok installed\n"
    place.write_text("\n".join([other, *listed, other]))


@pytest.mark.parametrize("program", FOUND)
def test_each_kind_is_known_and_can_be_removed(tmp_path: Path, program: str) -> None:
    add(tmp_path, program)
    found = installation.of(tmp_path, program)
    assert (str(found), found.uninstall) == FOUND[program]
    assert (found.program, found.version) == (program, "2026.1.0")


def test_a_link_leads_to_its_installation(tmp_path: Path) -> None:
    add(tmp_path, GLOBAL)
    link = tmp_path / "usr/local/bin/leasewatch"
    link.parent.mkdir(parents=True)
    link.symlink_to(GLOBAL)
    assert installation.of(tmp_path, "/usr/local/bin/leasewatch").program == GLOBAL


def test_packages_that_were_removed_are_not_there(tmp_path: Path) -> None:
    assert installation.packages(tmp_path) == []
    dpkg_has(tmp_path, "libnss-pyvirt", "leasewatch")
    assert installation.packages(tmp_path) == ["leasewatch", "libnss-pyvirt"]
    dpkg_has(tmp_path, "leasewatch", state="deinstall ok config-files")
    assert installation.packages(tmp_path) == []


def test_what_apt_has_installed_is_not_installed_again(image: Path) -> None:
    dpkg_has(image, "leasewatch", "libnss-pyvirt")
    before = tree(image)
    with pytest.raises(UserError, match="apt has installed leasewatch, libnss-pyvirt") as refused:
        install(system(image))
    assert "; to use this one instead: sudo apt remove leasewatch" in refused.value.hint
    assert tree(image) == before


@pytest.mark.parametrize("owner", [["libnss-pyvirt"], ["pyvirt", "leasewatch", "libnss-pyvirt"]])
def test_remove_leaves_what_dpkg_owns(image: Path, owner: list[str]) -> None:
    install(system(image))
    dpkg_has(image, *owner)
    (image / "etc/pyvirt").mkdir()
    done = remove(system(image), purge=True)
    assert done[-1] == f"kept what belongs to Debian's packages {', '.join(owner)}"
    assert (image / LIBS / "libnss_pyvirt.so.2").exists()
    assert "pyvirt" in (image / "etc/nsswitch.conf").read_text()
    assert not (image / pieces.SYSTEM_FILES[UNIT][1:]).exists()
    assert (image / "etc/pyvirt").exists() is ("leasewatch" in owner)


def test_in_a_debian_package_install_does_what_apt_leaves_to_the_owner(image: Path) -> None:
    add(image, DEB)
    dpkg_has(image, "leasewatch", "libnss-pyvirt")
    packaged = System(image, DEB)
    with pytest.raises(UserError, match="the NSS module is not installed"):
        deb.install(packaged)
    (image / LIBS / "libnss_pyvirt.so.2").touch()
    assert deb.install(packaged) == [
        f"added pyvirt to the hosts line of {image / 'etc/nsswitch.conf'}"
    ]
    waits = image / ssh_config.WAIT_PLACE[1:]
    assert deb.install(packaged, ssh=True) == [f"installed {waits}"]
    assert ssh_config.waits(packaged)
    assert deb.install(packaged, ssh=True) == []
    assert deb.remove(packaged) == [f"removed {waits}"]
    with pytest.raises(UserError, match="installed by apt") as refused:
        deb.remove(packaged)
    assert refused.value.hint == "sudo apt remove leasewatch libnss-pyvirt"


def test_a_debian_package_without_pyvirt_has_no_rows_of_it(image: Path) -> None:
    add(image, DEB)
    dpkg_has(image, "leasewatch", "libnss-pyvirt")
    unit = image / "usr/lib/systemd/system/leasewatch.service"
    unit.write_text(f"[Service]\nExecStart={DEB} serve\n")
    rows = {row.subject: row for row in status(System(image, DEB))}
    assert rows.keys() == {"nsswitch", "module", "unit", "user"}
    assert rows["unit"].state == "ok"


def test_a_unit_that_hides_the_one_of_the_debian_package_is_reported(image: Path) -> None:
    install(system(image))
    add(image, DEB)
    (row,) = (row for row in status(System(image, DEB)) if row.subject == "unit")
    assert row.state == "bad"
    assert (
        row.detail == f"{image / pieces.SYSTEM_FILES[UNIT][1:]} hides the one of the Debian package"
    )
    assert row.fix == "sudo /opt/pyvirt/bin/nss-pyvirt remove"


@pytest.fixture
def two(image: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A virtual environment that the service runs, and a user's pipx that comes first."""
    install(system(image))
    add(image, "/opt/pyvirt/bin/leasewatch")
    add(image, OWN)
    found = [installation.of(image, OWN), installation.of(image, "/opt/pyvirt/bin/leasewatch")]
    monkeypatch.setattr(which, "on_path", lambda _: found)
    return image


def test_the_row_names_another_installation_that_comes_first(two: Path) -> None:
    row = which.check(system(two))
    assert row.state == "warn"
    assert row.detail == (
        "virtual environment /opt/pyvirt, 2026.1.0; leasewatch.service runs it; also installed: "
        f"pipx /home/u/.local/share/pipx/venvs/nss-pyvirt: it is `leasewatch` on your PATH ({OWN})"
    )
    assert row.fix == "pipx uninstall nss-pyvirt"


def test_the_row_of_the_other_one_says_which_one_the_service_runs(two: Path) -> None:
    row = which.check(system(two, OWN))
    assert row.state == "bad"
    assert row.detail == (
        "pipx /home/u/.local/share/pipx/venvs/nss-pyvirt answers, "
        "but leasewatch.service runs virtual environment /opt/pyvirt"
    )
    assert row.fix == "pipx uninstall nss-pyvirt"


def test_beside_a_debian_package_the_other_one_is_to_go(two: Path) -> None:
    add(two, DEB)
    row = which.check(System(two, DEB))
    assert row.detail.startswith("Debian package answers, but leasewatch.service runs virtual")
    remove_it = "sudo /opt/pyvirt/bin/nss-pyvirt remove"
    assert row.fix == f"{remove_it}; sudo /opt/pyvirt/bin/pip uninstall nss-pyvirt"


def test_a_unit_whose_program_is_gone_is_installed_again(two: Path) -> None:
    (two / "opt/pyvirt/bin/leasewatch").unlink()
    row = which.check(system(two, OWN))
    assert (row.state, row.fix) == ("bad", "sudo nss-pyvirt install")
    assert "leasewatch.service runs /opt/pyvirt/bin/leasewatch, which is missing" in row.detail


def test_one_installation_alone_is_ok(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(which, "on_path", lambda _: [])
    add(image, "/opt/pyvirt/bin/leasewatch")
    row = which.check(system(image))
    assert row == ("ok", "installation", "virtual environment /opt/pyvirt, 2026.1.0", "")
    assert (image / "etc/nsswitch.conf").read_text() == NSSWITCH
