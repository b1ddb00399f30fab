"""The file by which AppArmor lets confined programs ask the module; apparmor.d(5).

It adds to abstractions/nameservice, which profiles of programs that look names up include.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from nss_pyvirt.installer import pieces, rootfs, tools
from nss_pyvirt.installer.pieces import System

PLACE: Final = "/etc/apparmor.d/abstractions/nameservice.d/nss-pyvirt"
_ABSTRACTION: Final = "/etc/apparmor.d/abstractions/nameservice"
_INCLUDES: Final = "<abstractions/nameservice.d>"
_ENABLED: Final = Path("/sys/module/apparmor/parameters/enabled")
_RELOAD: Final = ("systemctl", "reload", "apparmor.service")


def is_read(system: System) -> bool:
    """Whether the system has AppArmor's profiles, and they would read the file."""
    path = system.at(_ABSTRACTION)
    return path.is_file() and _INCLUDES in path.read_text(errors="replace")


def is_current(system: System) -> bool | None:
    """Whether the file is as this version, or somebody else, wrote it; None: it is missing."""
    path = system.at(PLACE)
    if not path.exists():
        return None
    content = path.read_bytes()
    return content == _content() or not pieces.is_ours(content)


def install(system: System, undo: ExitStack) -> Iterator[str]:
    """Put the file there, if AppArmor would read it, and have it load its profiles again."""
    if not is_read(system) or is_current(system):
        return
    path = system.at(PLACE)
    undo.callback(rootfs.make_folders(path.parent))
    undo.callback(rootfs.replace(path, _content(), 0o644))
    yield f"installed {path}"
    yield from _reload(system)


def remove(system: System) -> Iterator[str]:
    """Remove the file, unless somebody else has changed it."""
    path = system.at(PLACE)
    was_there = path.exists()
    yield from tools.remove_ours(path)
    if was_there and not path.exists():
        rootfs.remove_if_empty(path.parent)
        yield from _reload(system)


def _content() -> bytes:
    return pieces.sealed(pieces.packaged("apparmor"))


def _reload(system: System) -> Iterator[str]:
    """Have the kernel's profiles follow the file, if they are in force."""
    if not system.running or not _ENABLED.exists() or _ENABLED.read_text().strip() != "Y":
        return
    if not system.booted or not tools.succeeds(*_RELOAD):
        yield f"confined programs follow after: sudo {' '.join(_RELOAD)}"
