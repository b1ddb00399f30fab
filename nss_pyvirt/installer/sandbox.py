"""What leasewatch.service sees of the file system: an allow-list, which its unit alone holds.

An owner shows it more folders by a drop-in with BindReadOnlyPaths=. Changes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Final

from nss_pyvirt.installer.pieces import UNIT, packaged

MARK: Final = "PYVIRT_SANDBOX"
"""Environment variable that the unit sets: this process sees what the unit shows."""
USERS: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108
"""Folders of users, which the unit never shows: ProtectHome= and PrivateTmp=."""

CANNOT_SEE: Final = f"{UNIT} cannot see this file"
_OF_ALL: Final = {"/", "/etc", "/opt", "/run", "/srv", "/usr", "/var", "/var/lib", "/var/log"}
"""Folders in which many programs have files: too much to show."""
_DROP_INS: Final = ("etc", "run", "usr/local/lib", "usr/lib")


def of_users(path: str) -> str | None:
    """The folder of USERS above a path; None: there is none."""
    above = set(map(str, PurePosixPath(path).parents))
    return next((folder for folder in USERS if folder in above), None)


def is_inside() -> bool:
    """Whether this process runs in the unit's sandbox."""
    return bool(os.environ.get(MARK))


def hides(path: str) -> bool:
    """Whether leasewatch.service cannot see what is, or may come to be, at an absolute path."""
    if of_users(path):
        return True
    if is_inside():
        return _is_empty(path)
    return not {path, *map(str, PurePosixPath(path).parents)} & shown()


def hint(path: str) -> str:
    """What to type so that the service sees a file that it cannot see."""
    if of_users(path):
        return "let the DHCP server keep its file in /var/lib/misc"
    folder = str(PurePosixPath(path).parent)  # so that a file replaced by rename is seen
    show = f"[Service] BindReadOnlyPaths=-{path if folder in _OF_ALL else folder}"
    return f"sudo systemctl edit leasewatch: {show}; then: sudo systemctl restart leasewatch"


def shown(root: Path = Path("/")) -> set[str]:
    """The paths that the unit and its drop-ins show the service, with all that is below them."""
    files = (
        file
        for place in _DROP_INS
        for file in sorted((root / place / f"systemd/system/{UNIT}.d").glob("*.conf"))
    )
    texts = (packaged(UNIT).decode(), *(file.read_text("utf-8", "replace") for file in files))
    lines = (line.partition("=") for text in texts for line in text.splitlines())
    bound = (values for key, _, values in lines if key in {"BindReadOnlyPaths", "BindPaths"})
    words = (word for values in bound for word in values.split())
    return {word.removeprefix("-").partition(":")[0].rstrip("/") for word in words}


def _is_empty(path: str) -> bool:
    """Whether nothing of the host is mounted there, in the sandbox's own empty file system."""
    place = Path(path)
    while not place.exists():
        place = place.parent
    return place.stat().st_dev == Path("/").stat().st_dev
