"""The person who typed the command: their user name and their keys for ssh."""

from __future__ import annotations

import contextlib
import os
import pwd
from pathlib import Path

from leasewatch.pyvirt.defined import login
from leasewatch.pyvirt.login import user_data
from nss_pyvirt import programs
from nss_pyvirt.errors import UserError

_MAX_BYTES = 1 << 16  # of a file of public keys
_ANSWER = 5.0  # seconds for an agent to list its keys
_PATIENCE = 60.0  # seconds to make a key


def user() -> str:
    """The user behind sudo(8), else the one this process runs as."""
    name = os.environ.get("SUDO_USER", "")
    if os.geteuid() == 0 and name:
        return name
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return "root"


def keys(name: str) -> tuple[str, ...]:
    """The public keys in ~/.ssh of the host's user `name`, then those of a reachable agent.

    Files that hold something else are skipped.
    """
    found: list[str] = []
    with contextlib.suppress(KeyError, OSError):
        for file in sorted(Path(pwd.getpwnam(name).pw_dir, ".ssh").glob("*.pub")):
            with contextlib.suppress(OSError, UserError):
                found += login.parse(_read(file).decode(), str(file))
    found += _agents()
    # Two keys that differ in their comments are one.
    return tuple({tuple(key.split()[:2]): key for key in reversed(found)}.values())[::-1][
        : login.MAX_KEYS
    ]


def make_key(name: str) -> Path:
    """Make ~/.ssh/id_ed25519 of the host's user `name`, without a passphrase; its path.

    ssh-keygen runs as that user, and makes ~/.ssh if needed (mode 0700): root writes nothing into
    a folder of another user. UserError where there is no such user, or the key cannot be made.
    """
    hint = "name a public key: --ssh-key FILE"
    try:
        account = pwd.getpwnam(name)
    except KeyError:
        raise UserError(f"there is no user {name} on this host", hint, "missing") from None
    file = Path(account.pw_dir, ".ssh/id_ed25519")
    if os.path.lexists(file):
        make = f"ssh-keygen -y -f {file} >{file}.pub"
        raise UserError(f"{file} has no public half", make, "missing")
    who = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--init-groups"]
    keygen = [programs.find("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", ""]
    argv = ["setpriv", *who, "--reset-env", "--", *keygen, "-f", str(file)]
    done = programs.run(argv, package="util-linux", timeout=_PATIENCE)
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"exit {done.returncode}"
        raise UserError(f"cannot make a key for {name}: {said.splitlines()[0]}", hint, "failed")
    return file


def keys_of_file(file: Path) -> list[str]:
    """The public keys of a file that the caller named; UserError where it has none."""
    return login.parse(_named(file, _MAX_BYTES).decode(errors="replace"), str(file))


def user_data_of_file(file: Path) -> str:
    """The owner's user-data in a file; UserError where cloud-init would ignore it."""
    return user_data.check(_named(file, user_data.MAX_BYTES + 1), str(file))


def _named(file: Path, most: int) -> bytes:
    try:
        return _read(file, most)
    except OSError as error:
        what = f"cannot read {file}: {error.strerror}"
        raise UserError(what, "give the path of a file", "invalid") from error


def _read(file: Path, most: int = _MAX_BYTES) -> bytes:
    """The first bytes of a file; a FIFO is empty."""
    fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(fd, most)
    finally:
        os.close(fd)


def _agents() -> list[str]:
    """The keys of the agent at $SSH_AUTH_SOCK, which sudo(8) hides by default."""
    if not os.environ.get("SSH_AUTH_SOCK"):
        return []
    with contextlib.suppress(OSError, UserError):
        done = programs.run(["ssh-add", "-L"], timeout=_ANSWER)
        return login.parse(done.stdout, "ssh-add") if done.returncode == 0 else []
    return []
