"""The copy of the host's resolvers, and the folders that tell when it is out of date."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasewatch.pyvirt.networks.resolvers import Resolvers

ONE = b"nameserver 192.0.2.1\n"


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    """An /etc beside a /run."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "run").mkdir()
    return tmp_path / "etc"


def made(etc: Path) -> Resolvers:
    return Resolvers(etc / "resolv.conf", etc.parent / "copy")


def copied(etc: Path) -> bytes:
    made(etc).refresh()
    return (etc.parent / "copy").read_bytes()


@pytest.mark.parametrize(
    "target", ["../run/resolve/stub", "../run/a/b/c", "missing", "resolv.conf"]
)
def test_a_link_that_leads_nowhere_is_no_resolver(etc: Path, target: str) -> None:
    (etc / "resolv.conf").symlink_to(target)
    assert copied(etc) == b""
    assert etc in made(etc).folders()


def test_no_file_and_a_folder_are_no_resolver(etc: Path) -> None:
    assert copied(etc) == b""
    (etc / "resolv.conf").mkdir()
    assert copied(etc) == b""
    assert made(etc).folders() == [etc]


def test_what_leads_nowhere_is_looked_for_where_it_would_appear(etc: Path) -> None:
    """However far its folder is, and over links of links."""
    run = etc.parent / "run"
    (etc / "resolv.conf").symlink_to("hop")
    (etc / "hop").symlink_to(run / "systemd/resolve/stub")
    seen = []
    for folder in (run, run / "systemd", run / "systemd/resolve"):
        folder.mkdir(exist_ok=True)
        seen.append(made(etc).folders())
        assert seen[-1][-1].samefile(folder)
    (run / "systemd/resolve/stub").write_bytes(b"search a.test\n" + ONE)
    assert copied(etc) == ONE


def test_a_copy_that_is_right_is_not_rewritten(etc: Path) -> None:
    (etc / "resolv.conf").write_bytes(ONE)
    assert copied(etc) == ONE
    before = (etc.parent / "copy").stat().st_ino
    (etc / "resolv.conf").write_bytes(ONE + b"search a.test\n")
    assert copied(etc) == ONE
    assert (etc.parent / "copy").stat().st_ino == before
    (etc / "resolv.conf").unlink()
    assert copied(etc) == b""
