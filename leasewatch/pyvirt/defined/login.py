"""The user that a guest gets, and public keys for ssh, checked. No files."""

from __future__ import annotations

import binascii
import re

import msgspec

from nss_pyvirt.errors import UserError

MAX_KEYS = 32
"""Of one user: a guest that systemd sets up gets them in one string of SMBIOS."""
_USER = r"[a-zA-Z_][a-zA-Z0-9_.-]{0,31}"
_TYPES = {
    "ssh-ed25519",
    "ssh-rsa",
    *(f"ecdsa-sha2-nistp{bits}" for bits in (256, 384, 521)),
    *(f"sk-{kind}@openssh.com" for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256")),
}


class Login(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The user that a guest gets at its first boot (`pyvirt.login`)."""

    user: str
    keys: tuple[str, ...] = ()
    """Public keys for ssh, each a line of authorized_keys(5) without options."""

    def checked(self) -> Login:
        """The same; UserError where the user or a key is none."""
        check_user(self.user)
        for key in self.keys:
            check_key(key)
        if len(self.keys) > MAX_KEYS:
            what = f"there are more than {MAX_KEYS} keys for user {self.user}"
            raise UserError(what, "omit some", "invalid")
        return self


def check_user(name: str) -> str:
    """The name; UserError where it cannot be a guest's user."""
    if not re.fullmatch(_USER, name):
        what = f'"{name}" cannot be the name of a guest\'s user'
        raise UserError(what, "use letters, digits, _, . and -, e.g. --user admin", "invalid")
    return name


def check_key(line: str) -> str:
    """A public key as `TYPE BASE64 COMMENT`; UserError where it is none."""
    kind, _, rest = line.partition(" ")
    if line.isprintable() and kind in _TYPES and _type_of(rest.partition(" ")[0]) == kind:
        return line
    shown = line if len(line) <= 40 else f"{line[:40]}…"
    raise UserError(
        f'"{shown}" is not a public key for ssh', "give a file like ~/.ssh/NAME.pub", "invalid"
    )


def parse(text: str, source: str) -> list[str]:
    """The public keys of a file: one a line, comments and empty lines skipped.

    UserError where it has none, or something else. `source` is what messages call the file.
    """
    if "PRIVATE KEY-----" in text:
        what = f"{source} is a private key"
        raise UserError(what, f"give its public half: {source}.pub", "invalid")
    lines = [line.strip() for line in text.splitlines()]
    try:
        found = [check_key(line) for line in lines if line and not line.startswith("#")]
    except UserError as error:
        raise UserError(f"{source}: {error.what}", error.hint, error.code) from None
    if not found:
        raise UserError(
            f"{source} holds no public key", "make one: ssh-keygen -t ed25519", "invalid"
        )
    return found


def _type_of(encoded: str) -> str:
    """The type inside an encoded key (RFC 4253, 6.6); empty where it is none."""
    try:
        blob = binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        return ""
    length = int.from_bytes(blob[:4])
    return blob[4 : 4 + length].decode(errors="replace") if 0 < length < len(blob) - 4 else ""
