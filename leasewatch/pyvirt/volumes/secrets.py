"""Passphrases: read from files, checked for what QEMU takes. Prints nothing, asks no question."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

from nss_pyvirt.errors import UserError

_MOST = 8192
"""Bytes; a pipe holds more."""


class Secret(bytes):
    """A passphrase: UTF-8 without NUL, as QEMU wants it. No message shows it by mistake."""

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


def parse(content: bytes, where: str) -> Secret:
    """The passphrase that a file or a person gave; UserError if it is empty or too long.

    The newline that ends a text is no part of it. Other bytes than text count as their Base64 text,
    because QEMU takes nothing but text.
    """
    if len(content) > _MOST:
        what = f"{where} has more than {_MOST} bytes, which is too long for a passphrase"
        raise UserError(what, "give another file", "invalid")
    if _is_text(content):
        content = content.removesuffix(b"\n").removesuffix(b"\r")
    else:
        content = base64.b64encode(content)
    if not content:
        raise UserError(f"{where} is empty: that is no passphrase", "give another one", "invalid")
    return Secret(content)


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in content


def read(path: Path, *, root: bool = False) -> Secret:
    """The passphrase in a file, which other users must not be able to read.

    `root`: the file must be root's, too. UserError for a file that cannot be read.
    """
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode):
                _check_private(path, status, root=root)
            return parse(file.read(_MOST + 1), str(path))
    except OSError as error:
        raise UserError(f"cannot read secret file {path}: {error.strerror}") from error


def _check_private(path: Path, status: os.stat_result, *, root: bool) -> None:
    if status.st_mode & 0o077:
        what = f"other users can read or write secret file {path}"
        raise UserError(what, f"make it private: sudo chmod 600 {path}", "invalid")
    if root and status.st_uid != 0:
        what = f"secret file {path} is not root's"
        raise UserError(what, f"give it to root: sudo chown root {path}", "invalid")
