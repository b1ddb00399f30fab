"""libnss-pyvirt for two architectures on one system: 32-bit programs find names, too."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.shipped import ROOT, run
from tests.system.answers import ANSWERS, this_one
from tests.system.lookups import furnish
from tests.system.world import World

pytestmark = pytest.mark.long

OWN = ("amd64", "i386")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The files of the package of each architecture."""
    folder = tmp_path_factory.mktemp("debs")
    for architecture in OWN:
        options = ["--suite", "bookworm", "--arch", architecture, "--module"]
        run(ROOT / "packaging/deb", *options, folder / "made", timeout=1800)
        (deb,) = folder.glob(f"made/bookworm/*_{architecture}.deb")
        run("dpkg-deb", "--extract", deb, folder / architecture)
    return {architecture: folder / architecture for architecture in OWN}


def test_what_both_packages_have_is_the_same_so_that_dpkg_installs_them_together(
    unpacked: dict[str, Path],
) -> None:
    contents = [
        {
            str(path.relative_to(root)): path.read_bytes()
            for path in root.rglob("*")
            if path.is_file()
        }
        for root in unpacked.values()
    ]
    both = contents[0].keys() & contents[1].keys()
    assert "etc/apparmor.d/abstractions/nameservice.d/nss-pyvirt" in both
    assert "usr/share/man/man8/nss_pyvirt.8.gz" in both
    assert [path for path in both if contents[0][path] != contents[1][path]] == []
    alone = [sorted(files.keys() - both) for files in contents]
    module = "usr/lib/{}-linux-gnu/libnss_pyvirt.so.2"
    assert alone == [[module.format("x86_64")], [module.format("i386")]]


@pytest.mark.usefixtures("_namespaces")
def test_a_32_bit_program_gets_every_answer_by_the_i386_package(
    unpacked: dict[str, Path], tmp_path: Path
) -> None:
    module = unpacked["i386"] / "usr/lib/i386-linux-gnu/libnss_pyvirt.so.2"
    with closing(World()) as world:
        furnish(world)
        world.run(["install", "-D", module, f"/run/lib32/{module.name}"])
        libc = this_one(world, tmp_path, word="-m32", path="/run/lib32")
        libc.set_hosts_line("pyvirt")
        assert libc.ask(*ANSWERS) == ANSWERS
