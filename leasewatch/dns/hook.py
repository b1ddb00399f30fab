"""systemd-resolved's hook: names for programs that load no NSS module (static Go, musl, the stub).

In: the networks, owners' names, and `published` after each table; questions on two sockets that
systemd's socket units make, so that there are none without a service that answers. Out: filters,
answers from the published tables through the module's own reader, so both give the same.

What must hold: systemd-resolved waits for each reply, at most 30 s. So no reply waits but that to a
pending name, for HOLD_SECONDS. `{}` lets the lookup go on: it is the answer to every doubt.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from pathlib import Path
from typing import Annotated, Final

from leasewatch.addresses import Address
from leasewatch.api.description import waits
from leasewatch.api.interface import encoded
from leasewatch.api.introspection import OF_EVERY_SERVICE, Interface
from leasewatch.api.peers import Peers
from leasewatch.api.server import VarlinkServer
from leasewatch.api.turns import Turns
from leasewatch.config import Config
from leasewatch.daemon.counters import Counters
from leasewatch.daemon.logs import fields
from leasewatch.daemon.service_settings import Limits
from leasewatch.dns.hook_answers import NOT_OURS, SERVER_FAILURE, Tables, reply
from leasewatch.dns.hook_filters import BARE_NAMES, Zones, networks, reverse_zones
from leasewatch.dns.hook_interface import (
    HOOK,
    QueryFilterReply,
    Question,
    ResolveRecordParameters,
    ResolveRecordReply,
)
from leasewatch.names.on_link import Prefix
from leasewatch.names.policy import Decision
from leasewatch.paths import Paths
from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Answer, SnapshotError

NAMES_SOCKET, ZONES_SOCKET = "resolve-names", "resolve-zones"
"""FileDescriptorName= of the socket units."""
HOLD_SECONDS: Final = 4.0
"""Clients of the stub give up after 5."""
MOST_HELD: Final = 256
"""Lookups that are held; the next one fails at once, so that there are connections for others."""
LIMITS: Final = Limits(connections=1024, connections_of_user=512, waits_of_user=64)
"""systemd-resolved has a connection for each lookup that is not answered yet."""

_LOG = logging.getLogger(__name__)


class Hook:
    """Names of virtual machines, for systemd-resolved."""

    def __init__(self, filters: Filters, lookups: Lookups) -> None:
        self._filters = filters
        self._lookups = lookups

    @waits
    async def query_filter(self) -> AsyncIterator[Annotated[bytes, QueryFilterReply]]:
        """For which names to ask; again whenever that changes."""
        sent = None
        while True:
            news, wanted = self._filters.news, self._filters.wanted
            if wanted != sent:
                yield encoded(wanted, continues=True)
                sent = wanted
            await news.wait()

    def resolve_record(
        self, asked: ResolveRecordParameters
    ) -> Annotated[ResolveRecordReply | Awaitable[ResolveRecordReply], ResolveRecordReply]:
        """What a name or an address answers; nothing: go on with DNS."""
        return self._lookups.answer(tuple(asked.question))


INTERFACES: Final[dict[str, Interface]] = {**OF_EVERY_SERVICE, HOOK: (Hook, ())}


class Filters:
    """What `QueryFilter` answers on one socket now."""

    def __init__(self, wanted: QueryFilterReply) -> None:
        self.wanted = wanted
        self.news = asyncio.Event()
        """Set when `wanted` has changed; then there is another one."""

    def change(self, wanted: QueryFilterReply) -> None:
        """Tell who has asked."""
        if wanted != self.wanted:
            self.wanted = wanted
            self.news.set()
            self.news = asyncio.Event()


class Lookups:
    """Answers questions from the published tables, and holds those for pending names."""

    def __init__(self, table: Path, peers: Path, counters: Counters) -> None:
        self.zones = Zones()
        self.hold_seconds = HOLD_SECONDS
        self._table, self._peers = table, peers
        self._counters = counters
        self._news = asyncio.Event()
        """Set after a table was published; then there is another one."""
        self._known: dict[tuple[Question, ...], ResolveRecordReply | None] = {}
        """What the last table answers to those that are held."""
        self._held = 0
        self._stopped = False

    def __len__(self) -> int:
        """How many are held."""
        return self._held

    def answer(
        self, question: tuple[Question, ...]
    ) -> ResolveRecordReply | Awaitable[ResolveRecordReply]:
        """The reply, now or within HOLD_SECONDS."""
        found = self._reply(question)
        if found is not None:
            return found
        if self._held >= MOST_HELD:
            return _FAILED
        return self._hold(question)

    def published(self) -> None:
        """Ask the new table again for what is held."""
        self._known.clear()
        self._news.set()
        self._news = asyncio.Event()

    async def stop(self) -> None:
        """Let what is held fail: the client may ask again."""
        self._stopped = True
        self._news.set()
        if self._held:
            await asyncio.sleep(0)  # they send their replies in this round

    async def _hold(self, question: tuple[Question, ...]) -> ResolveRecordReply:
        self._counters.lookups_waited += 1
        self._held += 1
        try:
            async with asyncio.timeout(self.hold_seconds):
                while not self._stopped:
                    await self._news.wait()
                    if question not in self._known:
                        self._known[question] = self._reply(question)
                    if (found := self._known[question]) is not None:
                        return found
        except TimeoutError:
            return self._reply(question) or _FAILED
        finally:
            self._held -= 1
        return _FAILED

    def _reply(self, question: tuple[Question, ...]) -> ResolveRecordReply | None:
        now = int(time.time())

        def name(name: str, family: int) -> Answer:
            return snapshot.lookup(self._table, name, family, now, self._peers)

        def address(address: Address) -> Answer:
            return snapshot.lookup_address(self._table, address, now, self._peers)

        try:
            return reply(question, Tables(name, address), self.zones, now)
        except SnapshotError:
            return NOT_OURS


_FAILED: Final = ResolveRecordReply(rcode=SERVER_FAILURE)


class ResolveHook:
    """Serves the sockets that are given, until `stop`; without any it does nothing."""

    def __init__(
        self,
        paths: Paths,
        sockets: Mapping[str, socket.socket],
        turns: Turns,
        counters: Counters,
    ) -> None:
        self.lookups = Lookups(paths.snapshot, paths.peers_snapshot, counters)
        self._names, self._zones = Filters(BARE_NAMES), Filters(Zones().filter())
        self._dotted: dict[str, tuple[str, ...]] = {}
        """By decided name: the names with dots that its owner chose."""
        self._prefixes: Mapping[str, tuple[Prefix, ...]] = {}
        peers = Peers(LIMITS, counters)
        self._servers = []
        for name, filters in ((NAMES_SOCKET, self._names), (ZONES_SOCKET, self._zones)):
            if name in sockets:
                server = VarlinkServer(sockets[name], peers, turns, INTERFACES, keep_idle=True)
                server.offer(HOOK, Hook(filters, self.lookups))
                self._servers.append(server)

    @property
    def is_on(self) -> bool:
        """Whether there are sockets."""
        return bool(self._servers)

    def start(self) -> None:
        """Answer; the first table is published."""
        for server in self._servers:
            server.start()
        if self._servers:
            _LOG.info("systemd-resolved may ask %s", fields(sockets=len(self._servers)))

    async def stop(self) -> None:
        """Answer no more, and end the connections: a final reply would mean "all names"."""
        await self.lookups.stop()
        for server in self._servers:
            await server.stop()

    def configure(self, settings: Config) -> None:
        """Follow the settings: how long a lookup may take, and the site."""
        self.lookups.hold_seconds = min(HOLD_SECONDS, settings.names.pending_wait)
        site = f"vm.{settings.dns.site}" if settings.dns.site else ""
        self._change(self.lookups.zones._replace(site=site))

    def set_networks(
        self, suffixes: Mapping[str, str], prefixes: Mapping[str, tuple[Prefix, ...]]
    ) -> None:
        """The suffixes of all networks, and the prefixes of their bridges where known."""
        reverse = reverse_zones(prefix for of in prefixes.values() for prefix in of)
        self._change(self.lookups.zones._replace(networks=networks(suffixes), reverse=reverse))

    def follow(self, name: str, decision: Decision) -> None:
        """Note the names with dots that a decided name has: filters list them."""
        owned = (record.names for record in decision.records if record.trust == "owner")
        is_listed = self.lookups.zones.has
        dotted = tuple(n for names in owned for n in names if "." in n and not is_listed(n))
        if dotted != self._dotted.get(name, ()):
            self._dotted[name] = dotted
            if not dotted:
                del self._dotted[name]
            everyones = frozenset(one for names in self._dotted.values() for one in names)
            self._change(self.lookups.zones._replace(dotted=everyones))

    def _change(self, zones: Zones) -> None:
        if zones != self.lookups.zones:
            self.lookups.zones = zones
            self._zones.change(zones.filter())
