"""Which names this host may have in the flat zone, on disk: for a server that gives no transfer.

Where it is needed it is written before a name is sent, so no kill loses one. It may hold names
that are gone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec

from leasewatch.daemon.logs import Recent, fields
from leasewatch.dns.update_names import MAX_NAMES
from leasewatch.errors import UNDECODABLE
from nss_pyvirt import replacing


class Notes:
    """The names of one zone. A file that is lost costs only names that went meanwhile."""

    def __init__(self, folder: Path, zone: str) -> None:
        self.names: set[str] = set()
        self._path = folder / f"{zone}.names"
        self._logged = Recent()

    def read(self) -> None:
        """Read the file; a missing one is empty."""
        try:
            names = msgspec.json.decode(self._path.read_bytes(), type=list[str])
        except FileNotFoundError:
            names = []
        except (OSError, *UNDECODABLE) as error:
            self._report("names in the zone are not known", error)
            names = []
        self.names = set(names[: 2 * MAX_NAMES])

    async def remember(self, there: Iterable[str], sent: Iterable[str]) -> None:
        """Note the names that are `there`, and those that are going to be sent."""
        new = set(sent)
        if new <= self.names:
            return
        self.names = new.union(there)
        content = msgspec.json.encode(sorted(self.names))
        try:
            await asyncio.to_thread(replacing.replace, self._path, content, mode=0o600)
        except OSError as error:
            self._report("names in the zone are not noted", error)

    def forget(self) -> None:
        """The zone has none of the names any more."""
        self.names = set()
        self._path.unlink(missing_ok=True)

    def _report(self, event: str, error: Exception) -> None:
        if self._logged.is_new(shown := fields(path=self._path, why=error)):
            logging.getLogger(__name__).error("%s %s", event, shown)


def report_left(folder: Path, zone: str) -> None:
    """Log each zone other than `zone`, the one in use, in which this host may have names."""
    for path in sorted(folder.glob("*.names")):
        if path.stem != zone:
            hint = "set [dns.update] as it was, and: sudo leasewatch dns withdraw"
            shown = fields(zone=path.stem, hint=hint)
            logging.getLogger(__name__).warning("names are left in a zone %s", shown)
