"""The file of /etc/ssh/ssh_config.d by which ssh(1) knows the host keys of pyvirt's domains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from nss_pyvirt.installer import pieces, rootfs
from nss_pyvirt.installer.pieces import System

PLACE: Final = "/etc/ssh/ssh_config.d/pyvirt.conf"
_MAIN: Final = ("/etc/ssh/ssh_config", "/usr/etc/ssh/ssh_config")  # openSUSE: the second
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
    return content == _content() or not pieces.is_ours(content)


def install(system: System, undo: ExitStack) -> Iterator[str]:
    """Put the file there, if ssh would read it."""
    if not is_read(system) or is_current(system):
        return
    path = system.at(PLACE)
    undo.callback(rootfs.make_folders(path.parent))
    undo.callback(rootfs.replace(path, _content(), 0o644))
    yield f"installed {path}"


def remove(system: System) -> Iterator[str]:
    """Remove the file, unless somebody else has changed it."""
    path = system.at(PLACE)
    if not path.exists():
        return
    if not pieces.is_ours(path.read_bytes()):
        yield f"kept {path}, which was changed by hand"
        return
    path.unlink()
    yield f"removed {path}"


def _content() -> bytes:
    return pieces.sealed(pieces.packaged("ssh.conf"))
