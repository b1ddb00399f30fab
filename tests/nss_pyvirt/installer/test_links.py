"""Links to tab completion: where each shell looks, and gone again."""

from __future__ import annotations

from pathlib import Path

import pytest

from nss_pyvirt.installer.install import install
from nss_pyvirt.installer.remove import remove
from tests.nss_pyvirt.installer.image import system, tree

SHELLS = "opt/pyvirt/lib/python3.11/site-packages/nss_pyvirt/terminal/shells"
PLACES = {
    **{
        f"usr/local/share/bash-completion/completions/{name}": "bash"
        for name in ("leasewatch", "pyvirt", "nss-pyvirt")
    },
    "usr/local/share/zsh/site-functions/_nss_pyvirt": "zsh",
    **{
        f"etc/fish/completions/{name}.fish": "fish"
        for name in ("leasewatch", "pyvirt", "nss-pyvirt")
    },
}


@pytest.fixture
def scripts(image: Path) -> Path:
    """The image, with the scripts that its package brings."""
    (image / SHELLS).mkdir(parents=True)
    for shell in ("bash", "zsh", "fish"):
        (image / SHELLS / f"completion.{shell}").touch()
    return image


def test_each_shell_finds_completion_and_remove_leaves_nothing(scripts: Path) -> None:
    before = {path for path in tree(scripts) if path.startswith(("usr/local", "etc/fish"))}
    assert "linked tab completion for bash, zsh and fish" in install(system(scripts))
    found = {place: str((scripts / place).readlink()) for place in PLACES}
    assert found == {place: f"/{SHELLS}/completion.{shell}" for place, shell in PLACES.items()}
    assert install(system(scripts)) == []
    assert "removed tab completion for bash, zsh and fish" in remove(system(scripts))
    assert {
        path for path in tree(scripts) if path.startswith(("usr/local", "etc/fish"))
    } - before <= {
        "usr/local",
        "usr/local/share",
    }


@pytest.mark.parametrize("place", [*PLACES][::3])
def test_a_file_of_somebody_else_stays(scripts: Path, place: str) -> None:
    (scripts / place).parent.mkdir(parents=True)
    (scripts / place).write_text("theirs")
    install(system(scripts))
    remove(system(scripts))
    assert [path for path in PLACES if (scripts / path).exists()] == [place]
    assert (scripts / place).read_text() == "theirs"


def test_a_package_without_scripts_links_nothing(image: Path) -> None:
    assert not [line for line in install(system(image)) if "completion" in line]
