"""Installing into an image and taking it back: every piece, every byte, and undo in the middle."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from leasewatch.pyvirt.domains import domains
from leasewatch.pyvirt.networks import networks
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import glibc, pieces, rootfs, tools
from nss_pyvirt.installer.cli import command
from nss_pyvirt.installer.install import install
from nss_pyvirt.installer.pieces import System
from nss_pyvirt.installer.remove import give_back_state, remove
from nss_pyvirt.installer.status import status
from nss_pyvirt.terminal import frame
from nss_pyvirt.users import COMMENTS, USER
from tests.leasewatch.killing import everything, killed_at_each_step
from tests.nss_pyvirt.installer.image import (
    LIBC,
    LIBS,
    system,
    tree,
)


def test_every_piece_goes_in_and_the_status_is_good(image: Path) -> None:
    install(system(image))
    module = image / LIBS / "libnss_pyvirt.so.2"
    assert module.read_bytes() == glibc.built_module().read_bytes()
    assert stat.S_IMODE(module.stat().st_mode) == 0o644
    text = (image / "etc/nsswitch.conf").read_text()
    assert text == "passwd: files\nhosts:  files pyvirt [TRYAGAIN=return] dns # ours\n"
    unit = (image / "etc/systemd/system/leasewatch.service").read_text()
    assert "\nExecStart=/opt/pyvirt/bin/leasewatch serve\n" in unit
    parent = (image / "etc/systemd/system/pyvirt-domain@.service").read_text()
    assert "\nExecStart=/opt/pyvirt/bin/pyvirt domain run %i\n" in parent
    wants = image / "etc/systemd/system/multi-user.target.wants"
    assert {file.name: str(file.readlink()) for file in wants.iterdir()} == {
        name: f"/etc/systemd/system/{name}"
        for name in ("leasewatch-dns.service", "leasewatch.service", "pyvirt.service")
    }
    assert [(piece.subject, piece.state) for piece in status(system(image))] == [
        ("nsswitch", "ok"), ("module", "ok"), ("unit", "ok"), ("boot", "ok"), ("user", "ok"),
        ("ssh", "ok"),
    ]  # fmt: skip


def test_installing_twice_changes_nothing_more(image: Path) -> None:
    install(system(image))
    once = tree(image)
    assert install(system(image)) == []
    assert tree(image) == once


def test_another_version_is_seen_and_renews_what_the_former_wrote(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(system(image))
    files = [image / place.lstrip("/") for place in pieces.SYSTEM_FILES.values()]
    monkeypatch.setattr(pieces, "__version__", "99")
    (old,) = [piece for piece in status(system(image)) if piece.fix]
    assert (old.subject, old.state) == ("unit", "bad")
    assert old.detail.endswith("was written by another version")
    assert install(system(image)) == [f"installed {file}" for file in files]
    assert not [piece for piece in status(system(image)) if piece.fix]


def test_two_builds_of_one_version_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "nss_pyvirt-1.dist-info/RECORD"
    record.parent.mkdir()
    monkeypatch.setattr(pieces, "__file__", str(tmp_path / "nss_pyvirt/installer/pieces.py"))
    versions = set()
    for content in ("leasewatch/service.py,sha256=1,1\n", "leasewatch/service.py,sha256=2,1\n"):
        record.write_text(content)
        versions.add(pieces.version())
    assert len(versions) == 2


def test_a_booted_image_has_the_version_that_was_installed(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(system(image))
    for name, place in pieces.SYSTEM_FILES.items():
        installed = (image / place.lstrip("/")).read_bytes()
        monkeypatch.setattr(pieces, "version", lambda: "1 of the host's build")
        assert installed == pieces.system_file(name, system(Path("/")), is_build_known=False)
        assert installed != pieces.system_file(name, system(Path("/")))


def test_the_status_says_which_of_two_installations_the_service_runs(image: Path) -> None:
    install(system(image))
    (other,) = [piece for piece in status(system(image, "/opt/b/bin/leasewatch")) if piece.fix]
    unit = image / pieces.SYSTEM_FILES[pieces.UNIT][1:]
    assert (other.state, other.detail, other.fix) == (
        "bad",
        f"{unit} runs /opt/pyvirt/bin/leasewatch; this nss-pyvirt belongs to /opt/b/bin/leasewatch",
        "/opt/pyvirt/bin/nss-pyvirt status",
    )
    (image / "opt/pyvirt/bin/leasewatch").unlink()
    (gone,) = [piece for piece in status(system(image, "/opt/b/bin/leasewatch")) if piece.fix]
    assert "was written by another version" in gone.detail
    assert "nss-pyvirt install" in gone.fix


def add_manuals(image: Path) -> Path:
    """The man pages of the program's virtual environment; the folder in which `man` looks."""
    for page in ("man1/leasewatch.1", "man8/nss-pyvirt.8"):
        path = image / "opt/pyvirt/share/man" / page
        path.parent.mkdir(parents=True)
        path.touch()
    return image / "usr/local/share/man"


def test_the_man_pages_of_a_virtual_environment_are_found_and_gone_again(image: Path) -> None:
    man = add_manuals(image)
    assert f"linked 2 man pages into {man}" in install(system(image))
    page = "/opt/pyvirt/share/man/man1/leasewatch.1"
    assert str((man / "man1/leasewatch.1").readlink()) == page
    assert install(system(image)) == []
    assert f"removed 2 links to man pages from {man}" in remove(system(image))
    assert not list(man.iterdir())


def test_a_man_page_that_is_there_stays_and_a_link_that_leads_nowhere_is_renewed(
    image: Path,
) -> None:
    man = add_manuals(image)
    for name in ("man1", "man8"):
        (man / name).mkdir(parents=True)
    (man / "man1/leasewatch.1").write_text("somebody else's")
    (man / "man8/nss-pyvirt.8").symlink_to("/opt/gone/nss-pyvirt.8")
    assert f"linked 1 man pages into {man}" in install(system(image))
    remove(system(image))
    assert [path.name for path in man.rglob("*.[18]")] == ["leasewatch.1"]


@pytest.mark.parametrize(("primary", "goes"), [("1000", True), ("992", False)])
def test_the_group_goes_with_our_users_unless_it_is_a_users_own(
    image: Path, monkeypatch: pytest.MonkeyPatch, primary: str, goes: bool
) -> None:
    ours = f"leasewatch:x:990:990:{COMMENTS[USER]}:/:/bin/false\n"
    (image / "etc/passwd").write_text(f"{ours}pyvirt:x:1000:{primary}::/:/bin/sh\n")
    ran: list[str] = []
    monkeypatch.setattr(tools, "run", lambda *words: ran.append(f"{words[0]} {words[-1]}"))
    remove(system(image))
    assert ("groupdel pyvirt" in ran) == goes
    assert "userdel leasewatch" in ran


def test_removing_gives_the_image_back_to_the_byte(image: Path) -> None:
    before = tree(image)
    install(system(image))
    (image / "run/leasewatch").mkdir(parents=True)
    (image / "run/leasewatch/hosts.v1").write_bytes(b"published")
    remove(system(image))
    after = tree(image)
    for made_by_us in ("etc/tmpfiles.d", "run"):  # folders any package may use
        after.pop(made_by_us)
    assert after == before
    kept = "kept the user {}, which somebody else created"
    assert remove(system(image)) == list(map(kept.format, COMMENTS))


def test_what_somebody_else_changed_is_left_alone(image: Path) -> None:
    install(system(image))
    unit = image / "etc/systemd/system/leasewatch.service"
    unit.write_text(unit.read_text().replace("RestartSec=2s", "RestartSec=9s"))
    edited = unit.read_bytes()
    nsswitch = image / "etc/nsswitch.conf"
    nsswitch.write_text(nsswitch.read_text().replace("dns", "resolve dns"))
    assert install(system(image)) == [f"kept {unit}, which was changed by hand"]
    (found,) = [piece for piece in status(system(image)) if piece.subject == "unit"]
    units = "leasewatch.service, leasewatch-dns.service and pyvirt*"
    changed = f"{units} in {unit.parent}; changed by hand: leasewatch.service"
    assert (found.state, found.detail) == ("ok", changed)
    remove(system(image))
    assert unit.read_bytes() == edited
    assert nsswitch.read_text() == "passwd: files\nhosts:  files resolve dns # ours\n"
    assert "leasewatch:" in (image / "etc/passwd").read_text()


@pytest.mark.parametrize("blocked", ["etc/tmpfiles.d", "etc/nsswitch.conf"])
def test_a_step_that_fails_undoes_the_earlier_ones(image: Path, blocked: str) -> None:
    path = image / blocked
    path.unlink(missing_ok=True)
    if blocked == "etc/nsswitch.conf":
        path.symlink_to("absent-folder/nsswitch.conf")
    else:
        path.write_text("a file where a folder belongs")
    before = tree(image)
    with pytest.raises(UserError, match=r"absent-folder|\.d"):
        install(system(image))
    assert tree(image) == before


def test_a_linked_nsswitch_conf_is_changed_where_it_is(image: Path) -> None:
    (image / "usr/share").mkdir()
    real = image / "usr/share/nsswitch.conf"
    (image / "etc/nsswitch.conf").rename(real)
    (image / "etc/nsswitch.conf").symlink_to("/usr/share/nsswitch.conf")  # as the image sees it
    real.chmod(0o640)
    install(system(image))
    assert (image / "etc/nsswitch.conf").is_symlink()
    assert "pyvirt" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.mark.parametrize("vendor", [None, "hosts: files resolve\npasswd: files systemd\n"])
def test_an_absent_nsswitch_conf_is_made_and_taken_away_again(
    image: Path, vendor: str | None
) -> None:
    (image / "etc/nsswitch.conf").unlink()
    if vendor:
        (image / "usr/etc").mkdir()
        (image / "usr/etc/nsswitch.conf").write_text(vendor)
    install(system(image))
    made = (image / "etc/nsswitch.conf").read_text()
    assert ("passwd: files systemd" in made) is bool(vendor)
    assert status(system(image))[0].state == "ok"
    remove(system(image))
    assert not (image / "etc/nsswitch.conf").exists()


@pytest.mark.parametrize("content", ["", "hosts: files resolve\npasswd: files systemd\n"])
def test_a_file_that_was_there_stays_though_it_is_empty_or_the_vendors(
    image: Path, content: str
) -> None:
    (image / "usr/etc").mkdir()
    for folder in ("etc", "usr/etc"):
        (image / folder / "nsswitch.conf").write_text(content)
    install(system(image))
    remove(system(image))
    assert (image / "etc/nsswitch.conf").read_text() == content


@pytest.mark.parametrize(
    ("folder", "link"),
    [("usr/lib64", "lib64"), ("usr/lib", "lib"), (f"usr/lib/{LIBC.parent.name}", "lib")],
)
def test_the_module_goes_beside_the_glibc(tmp_path: Path, folder: str, link: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / link).symlink_to(f"/usr/{link}")
    shutil.copy(LIBC, tmp_path / folder / "libc.so.6")
    assert glibc.module_folder(tmp_path) == tmp_path / folder


def test_the_status_of_a_bare_image_says_what_is_missing_and_what_to_type(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert frame.run(command, "nss-pyvirt", ["status", "--root", str(image), "-o", "json"]) == 1
    output = capsys.readouterr()
    rows = json.loads(output.out)
    assert {row["subject"]: row["state"] for row in rows} == {
        **dict.fromkeys(("nsswitch", "module", "unit", "boot", "ssh"), "bad"), "user": "ok",
    }  # fmt: skip
    install_it = f"sudo nss-pyvirt install --root {image}"
    assert {row["fix"] for row in rows} == {install_it, None}
    assert not output.err


def test_a_start_by_hand_is_not_refused_after_failures_and_a_reload_checks_first() -> None:
    unit, service = pieces.packaged(pieces.UNIT).decode().split("\n[Service]\n")
    assert "\nStartLimitIntervalSec=0" in unit
    reloads = [line for line in service.splitlines() if line.startswith("ExecReload=")]
    assert ["--check" in line for line in reloads] == [True, False]


def test_the_units_are_clean_to_systemd(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    places = pieces.SYSTEM_FILES | pieces.SOCKETS
    names = [name for name, place in places.items() if "/systemd/system/" in place]
    for program in ("leasewatch", "pyvirt"):
        (tmp_path / program).symlink_to("/bin/true")
    made = pieces.System(Path("/"), str(tmp_path / "leasewatch"))
    for name in names:
        (tmp_path / name).write_bytes(pieces.system_file(name, made))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in names)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("unit", "module"), [("network", networks), ("domain", domains)])
def test_systemd_gives_a_start_as_long_as_the_command_waits(unit: str, module: ModuleType) -> None:
    text = pieces.packaged(f"pyvirt-{unit}@.service").decode()
    assert f"\nTimeoutStartSec={module._READY:.0f}\n" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="files of two users need root")
def test_giving_the_history_to_root_follows_no_link(image: Path, tmp_path: Path) -> None:
    history, outside = image / "var/lib/leasewatch", tmp_path / "outside"
    (history / "below").mkdir(parents=True)
    (outside / "folder").mkdir(parents=True)
    (outside / "file").touch()
    (history / "folder").symlink_to(outside / "folder")
    (history / "below/file").symlink_to(outside / "file")
    (history / "history.db").touch()
    for path in (history, *history.rglob("*"), outside, *outside.rglob("*")):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    assert f"kept the lease history {history}, now owned by root" in list(
        give_back_state(System(image, "/opt/leasewatch"))
    )
    owners = {path.lstat().st_uid for path in (history, *history.rglob("*"))}
    assert owners == {0}
    assert {path.stat().st_uid for path in outside.rglob("*")} == {65534}


def test_what_a_killed_install_has_left_beside_a_file_goes_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "nsswitch.conf"
    for content in (b"1", b"2"):
        for _ in killed_at_each_step(lambda: rootfs.replace(path, content, 0o644), lambda: None):  # noqa: B023
            assert len(everything(tmp_path)) <= 2
        assert everything(tmp_path) == {"nsswitch.conf"}
        assert path.read_bytes() == content
