"""A history file that is damaged: how that is told, and what becomes of it."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Final

_KEPT: Final = 3
"""Damaged files that are kept."""


class DamagedError(Exception):
    """The file is a database, but not a whole one of ours."""


def is_damage(error: Exception) -> bool:
    """Whether the file is the cause, so that only another file helps."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    damage = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
    return isinstance(error, DamagedError) or code in damage


def set_aside(path: Path, wall: float) -> Path:
    """Rename a damaged file, of which so many are kept; returns its name. Raises OSError."""
    aside = path.with_name(
        f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime(wall))}"
    )
    path.rename(aside)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    log = path.with_name(f"{path.name}-wal")
    if log.exists():
        log.rename(f"{aside}-wal")
    older = sorted(path.parent.glob(f"{path.name}.damaged-*[0-9]"))[:-_KEPT]
    for old in older:
        old.unlink()
        Path(f"{old}-wal").unlink(missing_ok=True)
    return aside
