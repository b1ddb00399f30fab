"""Which rows the history deletes first. Each call is a step, in the caller's transaction."""

from __future__ import annotations

import math
import sqlite3
from typing import Final

STEP: Final = 1000
"""Rows that one call deletes."""
MOST_OF_CLIENT: Final = 2 * STEP
"""Holdings of one client; if room is needed, it loses its own beyond these first."""

_OLDEST: Final = "SELECT id FROM holding WHERE until < :before ORDER BY until, id LIMIT :step"
_BUSIEST: Final = """
SELECT client FROM holding GROUP BY client HAVING count(*) > :most ORDER BY count(*) DESC LIMIT 1
"""
_OLDEST_OF_CLIENT: Final = """
SELECT id FROM holding WHERE client = :client AND until IS NOT NULL ORDER BY until, id LIMIT :step
"""
_FORGET_EVENTS: Final = """
DELETE FROM event WHERE time < :before AND seq IN (SELECT seq FROM event ORDER BY seq LIMIT :step)
"""


def prune(db: sqlite3.Connection, before: float) -> bool:
    """Delete some rows of what had ended by `before` (Unix seconds); return whether there were any.

    The oldest holdings go first, with their events; then the oldest events of open holdings. If
    `before` is infinite, room is needed. Then a client with very many holdings loses its oldest
    before all others do, so one client cannot push out what is kept of the others.
    """
    values: dict[str, object] = {"before": before, "step": STEP}
    if before == math.inf:
        busiest = db.execute(_BUSIEST, {"most": MOST_OF_CLIENT}).fetchone()
        if busiest is not None and _forget(db, _OLDEST_OF_CLIENT, values | {"client": busiest[0]}):
            return True
    return _forget(db, _OLDEST, values) or db.execute(_FORGET_EVENTS, values).rowcount > 0


def _forget(db: sqlite3.Connection, which: str, values: dict[str, object]) -> bool:
    db.execute(f"DELETE FROM event WHERE holding IN ({which})", values)
    return db.execute(f"DELETE FROM holding WHERE id IN ({which})", values).rowcount > 0
