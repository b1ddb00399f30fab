"""Who typed the command, and which keys that person has."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from leasewatch.pyvirt.login import caller
from nss_pyvirt.errors import UserError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEy+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user `alice`, with an .ssh; no agent is there."""
    alice = pwd.struct_passwd(("alice", "x", 1000, 1000, "", str(tmp_path), "/bin/sh"))
    monkeypatch.setattr("pwd.getpwnam", {"alice": alice}.__getitem__)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    (tmp_path / ".ssh").mkdir()
    return tmp_path


def test_the_person_behind_sudo_is_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "alice")
    assert caller.user() == "alice"
    monkeypatch.delenv("SUDO_USER")
    assert caller.user() == "root"


def test_keys_are_those_in_ssh_folder_once_each(home: Path) -> None:
    (home / ".ssh/id_ed25519.pub").write_text(f"{KEY} me@laptop\n")
    (home / ".ssh/old.pub").write_text(f"{KEY} me@old\n{KEY.replace('aaaa', 'baaa', 1)}\n")
    (home / ".ssh/broken.pub").write_text("nothing")
    (home / ".ssh/id_rsa").write_text("-----BEGIN RSA PRIVATE KEY-----")
    os.mkfifo(home / ".ssh/fifo.pub")
    assert caller.keys("alice") == (f"{KEY} me@laptop", KEY.replace("aaaa", "baaa", 1))


def test_a_user_without_keys_or_home_has_none(home: Path) -> None:
    assert caller.keys("alice") == caller.keys("nobody-of-that-name") == ()


@pytest.mark.usefixtures("home")
def test_where_no_key_can_be_made_the_reason_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(UserError, match="ssh-keygen is not installed") as error:
        caller.make_key("alice")
    assert error.value.hint == "apt install openssh-client"
    with pytest.raises(UserError, match="there is no user bob on this host"):
        caller.make_key("bob")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot read .*: No such file"),
        (b"", "holds no public key"),
        (b"\xff\xfe", "is not a public key"),
        (b"-----BEGIN OPENSSH PRIVATE KEY-----", "is a private key"),
    ],
)
def test_a_file_that_is_named_must_hold_keys(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    if content is not None:
        (tmp_path / "k").write_bytes(content)
    with pytest.raises(UserError, match=why):
        caller.keys_of_file(tmp_path / "k")


def test_a_folder_is_no_user_data(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        caller.user_data_of_file(tmp_path)
