"""What leasewatch has logged in this process since the test began; conftest.py empties it."""

from __future__ import annotations

import io

from leasewatch.daemon import logs

LOG = io.StringIO()
logs.start(LOG, priorities=False)


def clear() -> None:
    """Forget what was logged."""
    LOG.seek(0)
    LOG.truncate()
