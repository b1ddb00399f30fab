"""A damaged history file: how it is recognized, and renamed."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Final

_KEPT: Final = 3
"""How many damaged files are kept."""


class DamagedError(Exception):
    """The file is a database, but damaged or not a history."""


def is_damage(error: Exception) -> bool:
    """Whether the cause of an error is the file, so only a new file helps."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    damage = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    return isinstance(error, DamagedError) or code in damage


def set_aside(path: Path, wall: float) -> Path:
    """Rename a damaged file and return its name; the oldest ones are deleted. Raises OSError."""
    when = time.strftime("%Y%m%dT%H%M%S", time.gmtime(wall))
    aside = path.with_name(f"{path.name}.damaged-{when}")
    path.rename(aside)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        log.rename(f"{aside}-wal")
    for old in sorted(path.parent.glob(f"{path.name}.damaged-*[0-9]"))[:-_KEPT]:
        old.unlink()
        Path(f"{old}-wal").unlink(missing_ok=True)
    return aside
