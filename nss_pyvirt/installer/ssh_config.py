"""The file of /etc/ssh/ssh_config.d by which ssh(1) knows the host keys of pyvirt's domains.

With `waits`, ssh also waits for a domain that boots. It keeps to that until it is removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from nss_pyvirt.errors import UserError
from nss_pyvirt.installer import pieces, rootfs, tools
from nss_pyvirt.installer.pieces import System

PLACE: Final = "/etc/ssh/ssh_config.d/pyvirt.conf"
WAIT_PLACE: Final = "/etc/ssh/ssh_config.d/pyvirt-wait.conf"
"""Beside PLACE where that is a file of the Debian package."""
_MAIN: Final = ("/etc/ssh/ssh_config", "/usr/etc/ssh/ssh_config")  # openSUSE: the second
_WAITS: Final = "Include /run/pyvirt/ssh_config"
_INCLUDES: Final = "include /etc/ssh/ssh_config.d/"


def is_read(system: System) -> bool:
    """Whether the system's ssh, if it has one, reads that folder."""
    files = [system.at(path) for path in _MAIN]
    texts = [file.read_text(errors="replace").lower() for file in files if file.is_file()]
    return any(line.startswith(_INCLUDES) for text in texts[:1] for line in text.splitlines())


def is_current(system: System) -> bool | None:
    """Whether the file is as this version, or somebody else, wrote it; None: it is missing."""
    path = system.at(PLACE)
    if not path.exists():
        return None
    content = path.read_bytes()
    return content == _content(waits=_waits(content)) or not pieces.is_ours(content)


def waits(system: System) -> bool:
    """Whether ssh waits for domains that boot."""
    places = [system.at(place) for place in (PLACE, WAIT_PLACE)]
    return any(_waits(path.read_bytes()) for path in places if path.exists())


def install(system: System, undo: ExitStack, *, wait: bool = False) -> Iterator[str]:
    """Put the file there, if ssh would read it; with `wait`, ssh waits for domains that boot.

    UserError if it is to wait and cannot be made to.
    """
    path = system.at(PLACE)
    if not is_read(system):
        if wait:
            raise _unread(system)
        return
    wait = wait or waits(system)
    former = path.read_bytes() if path.exists() else None
    if former is not None and not pieces.is_ours(former):
        if wait and not _waits(former):
            what = f"{path} was changed by hand"
            raise UserError(what, f"add the line yourself: {_WAITS}", "exists")
        return
    if former == _content(waits=wait):
        return
    undo.callback(rootfs.make_folders(path.parent))
    undo.callback(rootfs.replace(path, _content(waits=wait), 0o644))
    yield f"installed {path}"


def install_wait(system: System, undo: ExitStack) -> Iterator[str]:
    """Let ssh wait by a file of its own, beside the Debian package's; UserError if it cannot."""
    if not is_read(system):
        raise _unread(system)
    if not waits(system):
        path = system.at(WAIT_PLACE)
        undo.callback(rootfs.replace(path, pieces.sealed(pieces.packaged("ssh-wait.conf")), 0o644))
        yield f"installed {path}"


def remove(system: System, place: str = PLACE) -> Iterator[str]:
    """Remove the file, unless somebody else has changed it."""
    yield from tools.remove_ours(system.at(place))


def _unread(system: System) -> UserError:
    what = f"ssh does not read {system.at(PLACE).parent}, or is not installed"
    hint = f'{system.at(_MAIN[0])} needs the line "Include /etc/ssh/ssh_config.d/*.conf"'
    return UserError(what, hint, "missing")


def _content(*, waits: bool) -> bytes:
    parts = ["ssh.conf", *["ssh-wait.conf"] * waits]
    return pieces.sealed(b"".join(map(pieces.packaged, parts)))


def _waits(content: bytes) -> bool:
    return _WAITS.encode() in content.splitlines()
