"""The DNS server: a part of the process that wires the listener, the responder and the answers."""

from __future__ import annotations

from pathlib import Path

from leasewatch.addresses import Address
from leasewatch.api.dns_interface import DnsStatus
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns.answers import Answers, FindZone
from leasewatch.dns.listener import Listener
from leasewatch.dns.part import Part
from leasewatch.dns.peer_answers import PeerTable
from leasewatch.dns.responder import Handler, Read, Responder
from leasewatch.dns.table import NameTable
from leasewatch.dns.views import Views
from nss_pyvirt import snapshot


class Server(Part):
    """Serves the names of `table` and the zones that `site_zone` finds, by their apex."""

    def __init__(
        self,
        table: NameTable,
        site_zone: FindZone,
        read: Read,
        transfer: Handler,
        notified: Handler,
        settings: DnsSettings,
        peers: Path | None = None,
    ) -> None:
        """`read`, `transfer` and `notified` are the Responder's; `peers` is the peers' table."""
        self._table = table
        self._guests = settings.guests
        self._answers = Answers(table, site_zone, None if peers is None else _peer_table(peers))
        self._responder = Responder(self._answers, read, transfer, notified)
        self._listener = Listener(settings.listens(), self._responder.respond)

    def start(self) -> None:
        """Listen."""
        self._listener.start()

    async def stop(self) -> None:
        """Close everything."""
        self._listener.stop()
        self._responder.stop()

    def table_changed(self, names: set[str]) -> None:
        """Answer with what the table says now of these decided names, and of the networks."""
        touched = self._answers.changed(names)
        if touched is None:
            self._responder.set_views(Views(self._table.networks, self._guests))
        self._responder.changed(touched)

    def report(self, status: DnsStatus) -> None:
        """Add where it listens, and what it was asked."""
        status.listens += map(str, self._listener.bound())
        status.unbound += self._listener.unbound()
        status.counters.queries += self._responder.queries
        status.counters.queries_refused += self._responder.refused
        status.counters.queries_limited += self._responder.limited


def _peer_table(path: Path) -> PeerTable:
    """The table in this file; one that cannot be read has nothing."""

    def name(wanted: str, now: float) -> snapshot.Answer:
        try:
            return snapshot.lookup(path, wanted, now=now)
        except snapshot.SnapshotError:
            return snapshot.Answer("unknown")

    def address(wanted: Address, now: float) -> snapshot.Answer:
        try:
            return snapshot.lookup_address(path, wanted, now)
        except snapshot.SnapshotError:
            return snapshot.Answer("unknown")

    return PeerTable(name, address)
