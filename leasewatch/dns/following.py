"""Follow the service's method `Records`, and keep the table of names as it says.

While the service is away, the names stay until their leases end. It connects again by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

import msgspec

from leasewatch.api.interface import RECORDS, Call, Reply
from leasewatch.api.records_interface import RecordsReply, host_record
from leasewatch.daemon.logs import Recent, fields
from leasewatch.dns.table import NameTable, Network
from leasewatch.errors import UNDECODABLE
from leasewatch.model import HostRecord

RETRY_SECONDS: Final = 0.5
"""How long to wait before the next attempt to reach the service."""
EXPIRE_SECONDS: Final = 5.0
"""How often the ends of leases are looked at while the service is away."""
MOST_BYTES: Final = 16 << 20
"""Of one reply."""

_CALL: Final = msgspec.json.encode(Call(method=RECORDS, more=True)) + b"\0"
_LOG = logging.getLogger(__name__)

_Records = dict[str, tuple[HostRecord, ...]]
"""By decided name."""


class LostError(Exception):
    """The service is away, or it cannot be understood."""


class Following:
    """Keeps `table`. `changed` is called with the names of each reply that changed something."""

    def __init__(self, path: Path, table: NameTable, changed: Callable[[set[str]], None]) -> None:
        self.is_synced = False
        """Whether the table is as the service's is now."""
        self.began = False
        """The first call of `changed` was made."""
        self._path = path
        self._table = table
        self._changed = changed
        self._names: set[str] = set()
        """Changed before the state was complete."""
        self._seen: set[str] = set()
        """Names that the service has, before the state is complete."""
        self._everything = False
        self._logged = Recent(1)

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:  # one that fails ends the other
            tasks.create_task(self._expire())
            while True:
                try:
                    async with aclosing(self._replies()) as replies:
                        async for reply in replies:
                            self._take(*reply)
                except LostError as error:
                    self._lost(str(error))
                self.is_synced = False
                await asyncio.sleep(RETRY_SECONDS)

    def _lost(self, why: str) -> None:
        if self._logged.is_new(why):
            _LOG.warning("cannot follow the service, keeping the names %s", fields(why=why))

    async def _replies(self) -> AsyncGenerator[tuple[RecordsReply, _Records], None]:
        """Each reply of the service, and the records in it. Raises LostError."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=MOST_BYTES)
        except OSError as error:
            raise LostError(error.strerror or str(error)) from None
        self._seen.clear()
        try:
            writer.write(_CALL)
            while True:
                yield await _received(reader)
        finally:
            writer.close()

    def _take(self, reply: RecordsReply, records: _Records) -> None:
        """Apply a reply; tell of it once the state is complete."""
        for name, answers in records.items():
            if self._table.set(name, answers):
                self._names.add(name)
            if not self.is_synced:
                self._seen.add(name)
        self._take_rules(reply)
        if not reply.synced:
            return
        if not self.is_synced:
            self._complete()
        names, everything = self._names, self._everything or not self.began
        self._names, self._everything, self.began = set(), False, True
        if everything:
            names |= self._table.records.keys()
        if names or everything:
            self._changed(names)

    def _take_rules(self, reply: RecordsReply) -> None:
        before = self._table.networks, self._table.blocked
        if reply.networks is not None:
            self._table.networks = {
                one.name: Network(one.name, one.suffix, tuple(one.prefixes), one.shared)
                for one in reply.networks
            }
        if reply.blocked is not None:
            self._table.blocked = frozenset(reply.blocked)
        self._everything |= before != (self._table.networks, self._table.blocked)

    def _complete(self) -> None:
        """Everything that the service has is there: remove what it has no more."""
        for name in self._table.records.keys() - self._seen:
            self._table.set(name, ())
            self._names.add(name)
        self._seen.clear()
        self.is_synced = True
        _LOG.info("follows the service %s", fields(names=len(self._table)))
        self._logged = Recent(1)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_SECONDS)
            if not self.is_synced and (names := self._table.expire(time.time())):
                self._changed(names)


async def _received(reader: asyncio.StreamReader) -> tuple[RecordsReply, _Records]:
    """The next reply, and the records in it. Raises LostError."""
    try:
        message = await reader.readuntil(b"\0")
        reply = msgspec.json.decode(message[:-1], type=Reply)
        if reply.error is not None:
            raise LostError(f"it answers {reply.error}")
        found = msgspec.json.decode(reply.parameters, type=RecordsReply)
        return found, {one.name: tuple(map(host_record, one.records)) for one in found.names}
    except EOFError:
        raise LostError("it has ended") from None
    except OSError as error:
        raise LostError(error.strerror or str(error)) from None
    except (asyncio.LimitOverrunError, *UNDECODABLE) as error:
        raise LostError(f"its reply is malformed: {error}") from None
