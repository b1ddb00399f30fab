"""TSIG key files: which are taken, and that no message has a secret."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import dns.name
import pytest

from leasewatch.cli.leasewatch import main
from leasewatch.dns import keys
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError

SECRET = base64.b64encode(bytes(range(32))).decode()
SOUND = f'key "site" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n'

Out = pytest.CaptureFixture[str]


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "site.key"
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "text",
    [
        SOUND,
        f"# made by tsig-keygen\nkey site. {{\n  secret {SECRET};\n  algorithm HMAC-SHA256.;\n}};",
        f'/* a\n b */ key "site" {{ algorithm "hmac-sha256"; // c\n secret "{SECRET}"; }}',
    ],
)
def test_what_bind_and_knot_write_is_read(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    key = keys.load(tmp_path, "site")
    assert key.name == dns.name.from_text("site")
    assert (key.algorithm, key.secret) == (dns.name.from_text("hmac-sha256"), bytes(range(32)))


def test_a_secret_with_two_slashes_holds_no_comment(tmp_path: Path) -> None:
    secret = base64.b64encode(b"\xff" * 32).decode()
    assert "//" in secret
    text = f'// "a\nkey "site" {{ algorithm hmac-sha256; secret "{secret}"; }}; # b\n'
    assert keys.parse(text, tmp_path) == ("site", "hmac-sha256", b"\xff" * 32)


def test_a_key_that_was_made_is_read_and_is_its_owners_alone(tmp_path: Path, capsys: Out) -> None:
    paths = Paths(tmp_path)
    assert main(["dns", "key", "site"], paths) == 0
    path = paths.dns_keys / "site.key"
    assert capsys.readouterr() == (f"{path}\n", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(keys.load(paths.dns_keys, "site").secret) == 32
    before = path.read_text()
    assert main(["dns", "key", "site"], paths) == 1
    assert f"{path} exists already" in capsys.readouterr().err
    assert path.read_text() == before


@pytest.mark.parametrize("name", ["../x", "A", "", "a b"])
def test_a_key_has_a_plain_name(tmp_path: Path, name: str, capsys: Out) -> None:
    assert main(["dns", "key", name], Paths(tmp_path)) == 2
    assert "is no name of a key" in capsys.readouterr().err


@pytest.mark.parametrize("mode", [0o604, 0o622, 0o666, 0o660])
def test_a_key_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, SOUND, mode)
    with pytest.raises(UserError) as error:
        keys.load(tmp_path, "site")
    assert error.value.what == f"other users can read the key {path}, and may have copied it"
    assert f"chmod 600 {path}" in error.value.hint


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_that_another_user_owns_is_refused(tmp_path: Path) -> None:
    os.chown(written(tmp_path, SOUND), 12345, -1)
    with pytest.raises(UserError, match="other users can read the key"):
        keys.load(tmp_path, "site")


FAULTY = {
    "": "it is not one statement",
    SOUND + SOUND: "it is not one statement",
    SOUND.replace("secret", "password"): "needs algorithm and secret, and nothing else",
    SOUND.replace("hmac-sha256", "hmac-md5"): "its algorithm is none of hmac-sha224",
    SOUND.replace(SECRET, SECRET + "!"): "its secret is not base64",
    SOUND.replace(SECRET, SECRET[:8]): "its secret has less than 16 bytes",
    SOUND * 50: "it has more than 4096 bytes",
    "\0\xff" + SOUND: "it is not one statement",
}


@pytest.mark.parametrize(("text", "why"), FAULTY.items(), ids=FAULTY.values())
def test_each_fault_names_the_file_and_never_the_secret(
    tmp_path: Path, text: str, why: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as error:
        keys.load(tmp_path, "site")
    assert error.value.what.startswith(f"{path} is no TSIG key: ")
    assert why in error.value.what
    assert SECRET[:8] not in error.value.what + error.value.hint
    assert "\n" not in error.value.what


def test_a_missing_key_is_a_line_that_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        keys.load(tmp_path, "site")
    assert error.value.what == f"there is no key {tmp_path}/site.key"
    assert "sudo leasewatch dns key site" in error.value.hint


def test_what_is_no_file_is_no_key(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "site.key", 0o600)
    with pytest.raises(UserError, match="is not a regular file"):
        keys.load(tmp_path, "site")
