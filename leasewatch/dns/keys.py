"""TSIG keys (RFC 8945) in files that BIND reads too: /etc/pyvirt/dns/NAME.key.

A key file is for its owner alone. No message and no log line has a secret.
"""

from __future__ import annotations

import base64
import binascii
import os
import pwd
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nss_pyvirt.errors import UserError
from nss_pyvirt.users import DNS_USER

if TYPE_CHECKING:
    import dns.tsig

MOST_BYTES: Final = 4096
_ALGORITHM: Final = "hmac-sha256"
_ALGORITHMS: Final = {f"hmac-sha{bits}" for bits in (224, 256, 384, 512)}
_LEAST_SECRET: Final = 16
"""Bytes (RFC 8945 9: a secret shorter than half the digest is weak)."""
_COMMENT: Final = re.compile(r'("[^"]*")|//[^\n]*|#[^\n]*|/\*.*?\*/', re.DOTALL)
"""Or a quoted text, in which `//` is no comment: every hundredth secret has one."""
_KEY: Final = re.compile(r'\s*key\s+"?([^\s"{;]+)"?\s*\{([^{}]*)\}\s*;?\s*', re.DOTALL)
_STATEMENT: Final = re.compile(r'\s*(algorithm|secret)\s+"?([^\s";]+)"?\s*;\s*')


def path_of(folder: Path, name: str) -> Path:
    """The file of the key that the settings call `name`."""
    return folder / f"{name}.key"


def load(folder: Path, name: str) -> dns.tsig.Key:
    """The key that the settings call `name`; raises UserError with one line that names the file."""
    import dns.tsig  # noqa: PLC0415  `make` needs none of it, and takes 100 ms less

    path = path_of(folder, name)
    key, algorithm, secret = parse(_read(path), path)
    return dns.tsig.Key(key, secret, algorithm)


def parse(text: str, path: Path) -> tuple[str, str, bytes]:
    """Name, algorithm and secret of the one key in a text; raises UserError."""
    matched = _KEY.fullmatch(_COMMENT.sub(lambda found: found[1] or " ", text))
    if matched is None:
        raise _faulty(path, 'it is not one statement key "NAME" { algorithm …; secret "…"; };')
    name, body = matched.groups()
    found = dict(_STATEMENT.findall(body))
    if _STATEMENT.sub("", body).strip() or found.keys() != {"algorithm", "secret"}:
        raise _faulty(path, "the key needs algorithm and secret, and nothing else")
    algorithm = found["algorithm"].lower().rstrip(".")
    if algorithm not in _ALGORITHMS:
        raise _faulty(path, f"its algorithm is none of {', '.join(sorted(_ALGORITHMS))}")
    try:
        secret = base64.b64decode(found["secret"], validate=True)
    except binascii.Error:
        raise _faulty(path, "its secret is not base64") from None
    if len(secret) < _LEAST_SECRET:
        raise _faulty(path, f"its secret has less than {_LEAST_SECRET} bytes")
    return name.lower().rstrip("."), algorithm, secret


def make(folder: Path, name: str) -> Path:
    """Make a key of that name for the user leasewatch-dns; raises UserError if the file exists."""
    path = path_of(folder, name)
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    text = f'key "{name}" {{\n\talgorithm {_ALGORITHM};\n\tsecret "{secret}";\n}};\n'
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        hint = f"use it, or remove it first: sudo rm {path}"
        raise UserError(f"{path} exists already", hint, "exists") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "run as root", "needs-root") from None
    with os.fdopen(fd, "w", encoding="ascii") as file:
        os.fchmod(fd, 0o600)
        _give_away(fd)
        file.write(text)
    return path


def _give_away(fd: int) -> None:
    """Let the user leasewatch-dns have the file, where there is one and we are root."""
    if os.geteuid() == 0:
        try:
            account = pwd.getpwnam(DNS_USER)
        except KeyError:
            return
        os.fchown(fd, account.pw_uid, account.pw_gid)


def _read(path: Path) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        hint = f"copy it from another host, or make one: sudo leasewatch dns key {path.stem}"
        raise UserError(f"there is no key {path}", hint, "not-found") from None
    except OSError as error:
        hint = f"sudo chown {DNS_USER}: {path}"
        raise UserError(f"cannot read {path}: {error.strerror}", hint, "invalid") from None
    with os.fdopen(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise UserError(f"{path} is not a regular file", "put the key there", "invalid")
        if _is_open(status):
            hint = f"sudo chown {DNS_USER}: {path} && sudo chmod 600 {path}"
            what = f"other users can read the key {path}, and may have copied it"
            raise UserError(what, hint, "invalid")
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise _faulty(path, f"it has more than {MOST_BYTES} bytes")
    return content.decode("utf-8", "replace")


def _is_open(status: os.stat_result) -> bool:
    """Whether others than root, the user leasewatch-dns and this process can use the file."""
    owners, groups = {0, os.geteuid()}, {0, os.getegid()}
    with suppress(KeyError):
        account = pwd.getpwnam(DNS_USER)
        owners.add(account.pw_uid)
        groups.add(account.pw_gid)
    closed_to = 0o027 if status.st_gid in groups else 0o077
    return bool(status.st_mode & closed_to) or status.st_uid not in owners


def _faulty(path: Path, why: str) -> UserError:
    hint = f"sudo rm {path}, then: sudo leasewatch dns key {path.stem}"
    return UserError(f"{path} is no TSIG key: {why}", hint, "invalid")
