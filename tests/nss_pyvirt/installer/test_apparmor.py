"""The file by which AppArmor lets confined programs ask the module.

The parser is Debian's own, unpacked by packaging/prepare --test; it needs no kernel with AppArmor.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from nss_pyvirt.installer import apparmor, pieces, tools
from nss_pyvirt.installer.pieces import System
from nss_pyvirt.installer.status import status
from tests.nss_pyvirt.installer.image import PROGRAM, system
from tests.shipped import ROOT, run

UNPACKED = ROOT / ".cache/apparmor"
PROFILE = """
abi <abi/3.0>,
include <tunables/global>
profile printer /usr/sbin/printer {
  include <abstractions/base>
  include <abstractions/nameservice>
}
"""


@pytest.fixture
def confining(image: Path) -> Path:
    """The image, with what AppArmor's package has of it."""
    folder = image / "etc/apparmor.d/abstractions"
    folder.mkdir(parents=True)
    (folder / "nameservice").write_text("include if exists <abstractions/nameservice.d>\n")
    return image


def _install(image: Path) -> list[str]:
    return list(apparmor.install(system(image), ExitStack()))


def _place(image: Path) -> Path:
    return image / apparmor.PLACE.lstrip("/")


def _found(image: Path) -> list[tuple[str, str]]:
    return [(row.state, row.detail) for row in status(system(image)) if row.subject == "apparmor"]


def test_the_file_comes_and_goes_with_its_folder(confining: Path) -> None:
    assert _install(confining) == [f"installed {_place(confining)}"]
    assert _install(confining) == []
    assert list(apparmor.remove(system(confining))) == [f"removed {_place(confining)}"]
    assert not _place(confining).parent.exists()
    assert list(apparmor.remove(system(confining))) == []


def test_a_step_that_fails_later_takes_the_file_back(confining: Path) -> None:
    with ExitStack() as undo:
        assert list(apparmor.install(system(confining), undo))
    assert not _place(confining).parent.exists()


@pytest.mark.parametrize("abstraction", [None, "# an AppArmor before 3.0\n"])
def test_nothing_is_put_where_apparmor_would_not_read_it(
    image: Path, abstraction: str | None
) -> None:
    if abstraction is not None:
        (image / "etc/apparmor.d/abstractions").mkdir(parents=True)
        (image / "etc/apparmor.d/abstractions/nameservice").write_text(abstraction)
    assert _install(image) == []
    assert _found(image) == []


def test_a_file_changed_by_hand_stays_and_is_good(confining: Path) -> None:
    _install(confining)
    _place(confining).write_text("# mine\n")
    assert _install(confining) == []
    kept = f"kept {_place(confining)}, which was changed by hand"
    assert list(apparmor.remove(system(confining))) == [kept]
    assert [state for state, _ in _found(confining)] == ["ok"]


def test_the_status_says_what_is_missing_or_old_and_install_mends_it(confining: Path) -> None:
    assert _found(confining) == [("bad", f"{apparmor.PLACE} does not exist")]
    _install(confining)
    assert [state for state, _ in _found(confining)] == ["ok"]
    _place(confining).write_bytes(pieces.sealed(b"an older one\n"))
    assert _found(confining) == [("bad", f"{apparmor.PLACE} was written by another version")]
    _install(confining)
    assert [state for state, _ in _found(confining)] == ["ok"]


class _Running(System):
    """An image that takes itself for the system that runs."""

    running = True
    booted = True


@pytest.mark.parametrize("works", [True, False])
@pytest.mark.parametrize("enabled", ["Y\n", "N\n", None])
def test_apparmor_loads_its_profiles_again_if_they_are_in_force(
    confining: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    enabled: str | None,
    works: bool,
) -> None:
    asked: list[str] = []
    switch = tmp_path / "enabled"
    if enabled is not None:
        switch.write_text(enabled)

    def succeeds(*command: str) -> bool:
        asked.append(" ".join(command))
        return works

    monkeypatch.setattr(apparmor, "_ENABLED", switch)
    monkeypatch.setattr(tools, "succeeds", succeeds)
    running = _Running(confining, PROGRAM)
    in_force = enabled == "Y\n"
    command = "systemctl reload apparmor.service"
    hint = [f"confined programs follow after: sudo {command}"] * (in_force and not works)
    installed = list(apparmor.install(running, ExitStack()))
    assert installed == [f"installed {_place(confining)}", *hint]
    assert list(apparmor.remove(running)) == [f"removed {_place(confining)}", *hint]
    assert asked == [command] * (2 * in_force)


def test_apparmors_own_parser_lets_a_confined_program_read_the_tables_and_wait(
    confining: Path, tmp_path: Path
) -> None:
    """With Debian's abstractions. The rules are printed as they are compiled, in no fixed order."""
    _install(confining)
    profile = tmp_path / "printer"
    profile.write_text(PROFILE)
    parser = UNPACKED / "sbin/apparmor_parser"
    rules = [UNPACKED / "etc/apparmor.d", confining / "etc/apparmor.d"]
    included = [word for folder in rules for word in ("-I", str(folder))]
    options = ["--skip-kernel-load", "--skip-cache", "--base", str(rules[0]), *included]

    def allowed(path: str) -> list[str]:
        printed = run(parser, *options, "--debug", profile)
        lines = [line.split() for line in printed.splitlines() if line.startswith("Mode:")]
        return [words[1].partition(":")[0] for words in lines if words[3] == f"({path})"]

    run_folder = "{/run,/var/run}"
    assert allowed(f"{run_folder}/leasewatch/hosts.v1") == ["r"]
    assert allowed(f"{run_folder}/leasewatch-dns/peers.v1") == ["r"]
    assert allowed(f"{run_folder}/leasewatch/pending.sock") == ["rwa"]
    _place(confining).unlink()
    assert allowed(f"{run_folder}/leasewatch/hosts.v1") == []
