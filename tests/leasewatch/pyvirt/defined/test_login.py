"""Which names of users and which public keys are taken."""

from __future__ import annotations

import pytest

from leasewatch.pyvirt.defined import login
from leasewatch.pyvirt.defined.login import Login
from nss_pyvirt.errors import UserError

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEy+aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa me@host"
SECURITY_KEY = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIA== k"


@pytest.mark.parametrize("name", ["alice", "john.doe", "_x", "Admin", "a" * 32, "web-1"])
def test_a_user_may_be_called_so(name: str) -> None:
    assert login.check_user(name) == name


@pytest.mark.parametrize("name", ["", "1st", "a b", "a:b", "a" * 33, "DOM\\me", "a\n", "-x", "é"])
def test_a_name_that_no_user_can_have_is_refused_with_what_to_type(name: str) -> None:
    with pytest.raises(UserError, match="cannot be the name of a guest's user") as error:
        login.check_user(name)
    assert "--user" in error.value.hint


@pytest.mark.parametrize("key", [KEY, KEY.rpartition(" ")[0], SECURITY_KEY])
def test_a_public_key_is_taken_as_it_is(key: str) -> None:
    assert login.check_key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 nothing",
        "ssh-rsa " + KEY.split()[1],
        "ssh-dss " + KEY.split()[1],
        'command="x" ' + KEY,
        KEY.replace("AAAAC3", "AAAAC"),
        f"{KEY}\n{KEY}",
        f"{KEY}\x1b[2J",
        "x" * 1000,
    ],
)
def test_what_is_no_public_key_is_one_short_line(key: str) -> None:
    with pytest.raises(UserError, match="is not a public key for ssh") as error:
        login.check_key(key)
    assert len(error.value.what) < 80


def test_a_file_of_keys_has_one_a_line_with_comments_between() -> None:
    assert login.parse(f"# mine\n{KEY}\n\n  {SECURITY_KEY}\r\n", "f") == [KEY, SECURITY_KEY]


@pytest.mark.parametrize(
    ("text", "why", "hint"),
    [
        ("", "f holds no public key", "ssh-keygen -t ed25519"),
        ("# nothing\n", "f holds no public key", "ssh-keygen -t ed25519"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "f is a private key", "f.pub"),
        (f"{KEY}\nhello\n", 'f: "hello" is not a public key', "NAME.pub"),
    ],
)
def test_a_file_without_public_keys_is_refused(text: str, why: str, hint: str) -> None:
    with pytest.raises(UserError, match=why) as error:
        login.parse(text, "f")
    assert hint in error.value.hint


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (Login(user="a b"), "cannot be the name"),
        (Login(user="a", keys=("x",)), "not a public key"),
        (Login(user="a", keys=(KEY,) * 33), "more than 32 keys for user a"),
    ],
)
def test_a_login_that_no_guest_can_have_is_refused(wrong: Login, why: str) -> None:
    with pytest.raises(UserError, match=why):
        wrong.checked()
