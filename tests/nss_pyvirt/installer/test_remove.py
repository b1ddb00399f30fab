"""`nss-pyvirt remove`: what stays, what `--purge` deletes, and what is still started."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import pieces
from nss_pyvirt.installer.cli import command
from nss_pyvirt.installer.install import _give_keys, install
from nss_pyvirt.installer.pieces import System
from nss_pyvirt.installer.remove import _withdraw_names, remove
from nss_pyvirt.terminal import frame
from nss_pyvirt.users import COMMENTS, DNS_USER, QEMU_USER
from tests.nss_pyvirt.installer.image import system, tree


@pytest.mark.parametrize(("purge", "left"), [(False, ["history.db"]), (True, [])])
def test_only_a_purge_deletes_the_history(image: Path, purge: bool, left: list[str]) -> None:
    install(system(image))
    history = image / "var/lib/leasewatch"
    history.mkdir(parents=True)
    (history / "history.db").touch()
    done = remove(system(image), purge=purge)
    assert (f"deleted the lease history {history}" in done) is purge
    assert [path.name for path in history.glob("*")] == left
    assert history.exists() is not purge


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_keys_and_serials_stay_for_root_and_keys_go_to_the_next_user(image: Path) -> None:
    install(system(image))
    key, serials = image / "etc/pyvirt/dns/site.key", image / "var/lib/leasewatch-dns"
    for folder in (key.parent, serials, image / "run/leasewatch-dns"):
        folder.mkdir(parents=True)
    key.touch(0o600)
    (serials / "zone.serial").touch(0o600)
    for path in (key, serials, serials / "zone.serial"):
        os.chown(path, 989, 989)
    done = remove(system(image))
    assert f"kept the TSIG keys {key.parent}, now owned by root" in done
    assert f"kept the state of DNS zones {serials}, now owned by root" in done
    assert not (image / "run/leasewatch-dns").exists()
    assert {path.stat().st_uid for path in (key, serials, serials / "zone.serial")} == {0}
    _give_keys(system(image), DNS_USER)
    assert (key.stat().st_uid, stat.S_IMODE(key.stat().st_mode)) == (989, 0o600)
    remove(system(image), purge=True)
    assert not key.exists()
    assert not serials.exists()


def test_remove_names_what_is_still_started_and_how_to_stop_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nss_pyvirt.installer.remove.remove", lambda *_, **__: ["removed"])
    running = [("domain", "web1"), ("network", "lab")]
    monkeypatch.setattr(pieces, "started", lambda _: running)
    assert frame.run(command, "nss-pyvirt", ["remove"]) == 0
    assert capsys.readouterr().err == (
        "nss-pyvirt: still started: domain web1, network lab\n  hint: sudo pyvirt down\n"
    )


def test_purge_deletes_nothing_while_something_is_started(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(system(image))
    disk = image / "var/lib/pyvirt/domains/web1/disk.qcow2"
    disk.parent.mkdir(parents=True)
    disk.touch()
    settings = image / "etc/pyvirt/leasewatch.toml"
    settings.parent.mkdir(exist_ok=True)
    settings.touch()
    before = tree(image)
    with monkeypatch.context() as patched:
        patched.setattr(pieces, "started", lambda _: [("domain", "web1")])
        with pytest.raises(UserError, match="still started: domain web1") as refused:
            remove(system(image), purge=True)
    assert refused.value.hint == "sudo pyvirt down"
    assert tree(image) == before
    remove(system(image), purge=True)
    assert not (image / "var/lib/pyvirt").exists()
    assert not (image / "etc/pyvirt").exists()


def test_the_user_of_running_domains_is_kept(image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passwd = image / "etc/passwd"
    passwd.write_text(f"pyvirt-qemu:x:991:991:{COMMENTS[QEMU_USER]}:/:/bin/false\n")
    (image / "etc/group").unlink()
    monkeypatch.setattr(pieces, "started", lambda _: [("domain", "web1")])
    (kept,) = remove(system(image))
    assert kept == "kept the user pyvirt-qemu, which runs domains: stop them, and remove again"
    assert "pyvirt-qemu" in passwd.read_text()


ANSWERS = {
    "two": ("echo '2 names removed from vms.test'", "2 names removed from vms.test"),
    "unreachable": (
        "echo 'leasewatch: 192.0.2.1 port 53 cannot be reached: timed out' >&2; exit 1",
        (
            "kept the names in the zone of [dns.update]: "
            "192.0.2.1 port 53 cannot be reached: timed out"
        ),
    ),
    "some": (
        "echo '1 name removed from vms.test'; echo 'leasewatch: web2 stays: others' >&2; exit 1",
        "kept the names in the zone of [dns.update]: web2 stays: others",
    ),
    "silent": ("exit 1", "kept the names in the zone of [dns.update]: failed"),
    "hanging": ("exec sleep 60", "kept the names in the zone of [dns.update]: "),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_exported_names_are_withdrawn_if_the_server_answers(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, said = ANSWERS[case]
    program = tmp_path / "leasewatch"
    program.write_text(f'#!/bin/sh\n[ "$*" = "dns withdraw" ] || exit 9\n{script}\n')
    program.chmod(0o755)
    running = System(Path("/"), str(program))
    monkeypatch.setattr("nss_pyvirt.installer.remove.DNS_STATE", str(tmp_path / "state"))
    timeout = 1 if case == "hanging" else 60
    monkeypatch.setattr("nss_pyvirt.installer.remove._WITHDRAW_TIMEOUT", timeout)
    assert list(_withdraw_names(running)) == []  # this host has exported none
    (tmp_path / "state").mkdir()
    (tmp_path / "state/vms.test.names").touch()
    (line,) = _withdraw_names(running)
    assert line.startswith(said)
    assert "\n" not in line
