"""Run the system's own tools for an installation; UserError with their message if one fails."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nss_pyvirt import programs
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import pieces
from nss_pyvirt.installer.pieces import UNIT, System

_TIMEOUT: Final = 90  # seconds, for every command that is run
_CHECK_TIMEOUT: Final = 20  # seconds, for one that changes nothing


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn an OSError of the block into a UserError that names the file."""
    try:
        yield
    except OSError as error:
        what = f"{error.filename or 'system'}: {error.strerror}"
        if isinstance(error, PermissionError):
            raise UserError(what, "run it as root, with sudo", "needs-root") from error
        raise UserError(what) from error


def need_root(system: System, command: str) -> None:
    """UserError if only root can change the system, before systemctl asks for a password."""
    if system.running and os.geteuid() != 0:
        raise UserError(
            f"nss-pyvirt {command} needs root", f"sudo nss-pyvirt {command}", "needs-root"
        )


def ldconfig(system: System) -> None:
    """Refresh the loader's cache if there is one; its built-in path has our folder anyway."""
    if os.geteuid() == 0 and system.at("/etc/ld.so.cache").exists():
        run("ldconfig", *([] if system.running else ["-r", str(system.root)]))


def run(*command: str, timeout: float = _TIMEOUT) -> None:
    """Run a command to its end; UserError with the reason that it printed if it fails."""
    done = programs.run(command, timeout=timeout)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        why, hint = (said or ["failed"])[-1], ""
        if command[0] == "systemctl":  # its last line only says where to read on
            why, hint = (said or ["failed"])[0], f"journalctl -u {UNIT} -n 20"
        raise UserError(f"{' '.join(command)}: {why}", hint)


def succeeds(*command: str, timeout: float = _TIMEOUT) -> bool:
    """Whether a command succeeds; UserError if it does not end in time."""
    return programs.run(command, timeout=timeout).returncode == 0


def complaint(*command: str) -> UserError | None:
    """The first error and hint that one of our own programs prints; None if it succeeds."""
    done = programs.run(command, timeout=_CHECK_TIMEOUT)
    if done.returncode == 0:
        return None
    lines = [*done.stderr.splitlines(), "", ""]
    what = lines[0].partition(": ")[2] or "failed"
    hint = lines[1].partition("  hint: ")[2] or f"see what it says: {' '.join(command)}"
    return UserError(what, hint)


def output(*command: str, timeout: float = _TIMEOUT) -> str:
    """What a command prints on stdout, even if it fails; UserError if it does not end in time."""
    return programs.run(command, timeout=timeout).stdout.strip()


def remove_ours(path: Path) -> Iterator[str]:
    """Delete a file that `install` has written, unless somebody else has changed it since."""
    if not path.exists():
        return
    if not pieces.is_ours(path.read_bytes()):
        yield f"kept {path}, which was changed by hand"
        return
    path.unlink()
    yield f"removed {path}"


def delete_user(system: System, user: str) -> None:
    """Remove a user and its group, if they exist."""
    if pieces.account(system, user):
        run("userdel", *prefix(system), user)
    delete_group(system, user)


def delete_group(system: System, group: str) -> None:
    """Remove a group, if it exists."""
    if pieces.account(system, group, "group"):
        run("groupdel", *prefix(system), group)


def prefix(system: System) -> list[str]:
    """The options with which useradd and its kin work on an image."""
    return [] if system.running else ["--prefix", str(system.root)]
