"""Passphrases in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from leasewatch.pyvirt.volumes import secrets
from leasewatch.pyvirt.volumes.secrets import Secret
from nss_pyvirt.errors import UserError


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"simple\n", b"simple"),
        (b"of Windows\r\n", b"of Windows"),
        (b"two\n\n", b"two\n"),
        (b" spaces stay ", b" spaces stay "),
        ("Grüße\n".encode(), "Grüße".encode()),
        (b"\xff\xfe\n", b"//4K"),
        (b"nul\0", b"bnVsAA=="),
    ],
)
def test_a_newline_is_cut_from_text_and_other_bytes_count_as_base64(
    content: bytes, secret: bytes
) -> None:
    assert secrets.parse(content, "here") == secret


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n"])
def test_an_empty_passphrase_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match="here is empty: that is no passphrase"):
        secrets.parse(content, "here")


def test_a_passphrase_is_not_shown_by_mistake() -> None:
    secret = Secret(b"hidden")
    assert {f"{secret}", str(secret), repr(secret), f"{[secret]}"} == {"Secret(…)", "[Secret(…)]"}


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("hidden\n")
    file.chmod(0o640)
    with pytest.raises(UserError, match="other users can read or write secret file") as caught:
        secrets.read(file)
    assert caught.value.hint == f"make it private: sudo chmod 600 {file}"
    file.chmod(0o600)
    assert secrets.read(file) == b"hidden"


def test_a_file_that_is_missing_or_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read secret file .*: No such file"):
        secrets.read(tmp_path / "none")
    long = tmp_path / "long"
    long.write_bytes(b"x" * 9000)
    long.chmod(0o600)
    with pytest.raises(UserError, match="more than 8192 bytes"):
        secrets.read(long)
