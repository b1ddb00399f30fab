"""What the Debian packages contain: files, modes, dependencies, scripts. Built for Debian 12."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from debs import dependencies
from tests.shipped import ROOT, run

NAMES = ("leasewatch", "libnss-pyvirt", "pyvirt")
TREE = "/usr/lib/nss-pyvirt"
UNITS = re.compile(r"^(?:/usr)?/lib/systemd/system/")
UNIT = re.compile(r"\.(path|service|socket|target)")


@dataclass(frozen=True)
class Package:
    """A package that was unpacked to a folder."""

    folder: Path
    listing: str
    """As `dpkg-deb --contents` prints it."""

    def field(self, name: str) -> str:
        control = (self.folder / "DEBIAN/control").read_text()
        return "".join(re.findall(rf"^{name}: (.*)$", control, re.MULTILINE))

    @property
    def files(self) -> set[str]:
        below = (path for path in self.folder.rglob("*") if not path.is_dir())
        found = {f"/{path.relative_to(self.folder)}" for path in below}
        return {path for path in found if not path.startswith("/DEBIAN/")}

    def text(self, path: str) -> str:
        return (self.folder / path.lstrip("/")).read_text()

    def scripts(self) -> list[Path]:
        names = ("preinst", "postinst", "prerm", "postrm")
        return [path for name in names if (path := self.folder / "DEBIAN" / name).exists()]


@pytest.fixture(scope="module", params=["bookworm", pytest.param("trixie", marks=pytest.mark.long)])
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Package]:
    found = {}
    printed = run(ROOT / "packaging/deb", "--suite", request.param, timeout=2400)
    for deb in re.findall(r"^/.*\.deb$", printed, re.MULTILINE):
        folder = tmp_path_factory.mktemp("deb") / "tree"
        run("dpkg-deb", "--raw-extract", deb, folder)
        found[Path(deb).name.partition("_")[0]] = Package(
            folder, run("dpkg-deb", "--contents", deb)
        )
    assert sorted(found) == sorted(NAMES)
    return found


def test_everything_is_roots_and_nobody_else_may_write(built: dict[str, Package]) -> None:
    for package in built.values():
        for line in package.listing.splitlines():
            mode, owner, *_, name = line.split()
            program = re.fullmatch(r"\./usr/bin/\w[\w-]*", name)
            wanted = "drwxr-xr-x" if mode[0] == "d" else f"-rw{'x' if program else '-'}r-"
            assert mode.startswith(wanted)
            assert (owner, mode[5], mode[8]) == ("root/root", "-", "-")


def test_the_module_has_the_folder_of_its_architecture(built: dict[str, Package]) -> None:
    package = built["libnss-pyvirt"]
    assert package.field("Multi-Arch") == "same"
    assert re.fullmatch(r"libc6 \(>= 2\.\d+\)", package.field("Depends"))
    documents = re.compile("/usr/share/(doc|man|lintian)/")
    assert {path for path in package.files if not documents.match(path)} == {
        "/usr/lib/x86_64-linux-gnu/libnss_pyvirt.so.2",
        "/etc/apparmor.d/abstractions/nameservice.d/nss-pyvirt",
    }


def test_each_requirement_is_debians_or_in_the_tree(built: dict[str, Package]) -> None:
    package = built["leasewatch"]
    for one in dependencies.requirements(ROOT / "pyproject.toml"):
        info = f"{TREE}/{one.name.replace('-', '_')}-"
        is_in_tree = any(path.startswith(info) for path in package.files)
        assert is_in_tree != (one.depends in package.field("Depends"))
    compiled = [path for path in package.files if re.search(r"\.cpython-3\d+-.*\.so$", path)]
    assert bool(compiled) == ("python3 (<<" in package.field("Depends"))


def test_nothing_is_compiled_and_nothing_is_there_twice(built: dict[str, Package]) -> None:
    files = [path for package in built.values() for path in package.files]
    assert len(files) == len(set(files))
    assert not [path for path in files if path.endswith((".pyc", "/RECORD"))]
    assert f"{TREE}/nss_pyvirt/lib/libnss_pyvirt.so.2" not in files
    (info,) = (path for path in files if re.search(r"/nss_pyvirt-[^/]*/INSTALLER$", path))
    assert built["leasewatch"].text(info) == "debian\n"


def test_units_are_those_of_nss_pyvirt_install_and_run_what_is_there(
    built: dict[str, Package],
) -> None:
    units = {
        UNITS.sub("", path): package.text(path)
        for package in built.values()
        for path in package.files
        if UNITS.match(path)
    }
    system = ROOT / "nss_pyvirt/installer/system"
    hooks = {path.name for path in system.glob("*.socket")}
    assert units.keys() | hooks == {
        path.name for path in system.iterdir() if UNIT.fullmatch(path.suffix)
    }
    programs = {"leasewatch", "nss-pyvirt", "pyvirt"}
    of_debian = {"nsenter"}  # util-linux
    for text in units.values():
        assert not re.search(r"@[A-Z]+@", text)
        assert set(re.findall(r"/usr/bin/([\w-]+)", text)) <= programs | of_debian
    assert {f"/usr/bin/{name}" for name in programs} <= {
        path for package in built.values() for path in package.files
    }


def test_scripts_are_right_and_stop_no_guest_at_an_upgrade(built: dict[str, Package]) -> None:
    for package in built.values():
        for path in package.scripts():
            text = path.read_text()
            subprocess.run(["sh", "-n", path], check=True)
            assert not re.search(r"\b(debconf|read)\b", text)  # nothing is asked
            assert "pyvirt-domain" not in text
            assert "pyvirt-network@" not in text
    leasewatch = built["leasewatch"]
    postinst = leasewatch.text("DEBIAN/postinst")
    assert "_dh_action=restart" in postinst
    assert postinst.index("systemd-sysusers") < postinst.index("deb-systemd-invoke")


def test_the_version_tells_the_release_of_debian(built: dict[str, Package]) -> None:
    versions = {package.field("Version") for package in built.values()}
    assert len(versions) == 1
    assert re.fullmatch(r"[0-9.]+\+deb1[23]", versions.pop())
    assert built["pyvirt"].field("Architecture") == "all"
