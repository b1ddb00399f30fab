"""The table of peers' names, /run/leasewatch-dns/peers.v1: the NSS module's second table.

In: which keys of `PeerNames` changed. Out: the file, at once. A site's changes come in bursts, and
a large table takes milliseconds to write. So after each table there is a pause that is as long.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from leasewatch.daemon.logs import Recent, fields
from leasewatch.dns.peer_names import Key, PeerNames
from leasewatch.hosttable.publisher import Publisher
from nss_pyvirt.errors import UserError
from nss_pyvirt.snapshot import SnapshotError

CHECK_SECONDS: Final = 30.0
"""Seconds until a table that could not be written, or that others changed, is written again."""

_LOG = logging.getLogger(__name__)


class PeersTable:
    """Lives in an event loop, from `start` to `stop`. The file stays when it stops."""

    def __init__(self, path: Path, names: PeerNames) -> None:
        self._path = path
        self._names = names
        self._publisher = Publisher(path)
        self._timer: asyncio.TimerHandle | None = None
        self._due = True
        self._next = 0.0
        """When the next table may be written, on the event loop's clock."""
        self._logged = Recent()

    def start(self) -> None:
        """Write the table now."""
        try:
            self._publisher.adopt(time.time())
        except SnapshotError as error:
            _LOG.warning("damaged table of peers, replacing it %s", fields(why=error.what))
        self._publish()

    def stop(self) -> None:
        """Write no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def changed(self, keys: Iterable[Key]) -> None:
        """These keys answer something else."""
        wall = time.time()
        for key in keys:
            name = self._names.first_name(key)
            try:
                self._due |= self._publisher.set(name, self._names.records(key), wall)
            except ValueError as error:
                self._log_once("peer's name left out", name=name, why=error)
        if self._due and self._timer is not None:
            self._plan(self._next)

    def _plan(self, when: float) -> None:
        """Publish at that time of the event loop's clock, or earlier."""
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(when, self._publish)

    def _publish(self) -> None:
        self._timer = None
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self._due or not self._publisher.is_intact():
            try:
                lost = self._publisher.publish(time.time(), 0)
            except (OSError, ValueError, UserError) as error:
                self._log_once("table of peers not written, keeping the previous one", why=error)
            else:
                self._due = False
                for name, host, other in lost:
                    self._log_once(
                        "name left out", name=name, of=host, why=f"{other} answers to it"
                    )
        ended = loop.time()
        self._next = ended + (ended - began)
        self._plan(ended + CHECK_SECONDS)

    def _log_once(self, event: str, **values: object) -> None:
        if self._logged.is_new(shown := fields(**values)):
            _LOG.error("%s %s", event, shown)
