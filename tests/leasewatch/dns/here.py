"""A host in tests of peers: what it pulls, and what its NSS module answers then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.tsig

from leasewatch import addresses
from leasewatch.api.dns_interface import DnsStatus, PeerEntry
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns.asking import Asker
from leasewatch.dns.peers import Changed, Peers
from leasewatch.dns.table import NameTable
from leasewatch.paths import Paths
from nss_pyvirt import snapshot
from tests.leasewatch.dns.asking_zones import KEY
from tests.leasewatch.dns.hosts import SITE, Server

FAR = "web1.lab.hostb.vm.example.org"


class Here:
    """A host with peers, and their published table."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(folder)
        self.paths.dns_run.mkdir(parents=True, exist_ok=True)
        self.table = NameTable()
        self.table.blocked = frozenset({"localhost"})
        self._peers: Peers | None = None

    @property
    def peers(self) -> Peers:
        assert self._peers is not None
        return self._peers

    @asynccontextmanager
    async def pulling(
        self,
        *hosts: Server,
        key: dns.tsig.Key = KEY,
        changed: Changed | None = None,
        by_name: bool = False,
    ) -> AsyncIterator[Peers]:
        """Pull these hosts; `by_name`: without their addresses."""
        pull = [host.host if by_name else f"{host.host} 127.0.0.1:{host.port}" for host in hosts]
        settings = DnsSettings(site=SITE, pull=pull)
        self._peers = Peers(settings, self.table, self.paths, key, changed)
        self._peers.start()
        try:
            yield self._peers
        finally:
            await self._peers.stop()

    def ask(self, name: str) -> list[str]:
        """What the NSS module answers; this host has no name of its own."""
        path = self.paths.peers_snapshot
        answer = snapshot.lookup(path, name) if path.exists() else snapshot.Answer("unknown")
        return [addresses.text(one.packed) for one in answer.addresses]

    def entry(self, host: str) -> PeerEntry:
        """How a peer stands."""
        status = DnsStatus(version="", pid=1, uptime=0.0, follows=True, names=0)
        self.peers.report(status)
        return {one.host: one for one in status.peers}[host]

    def error(self, host: str) -> str:
        """What is wrong with a peer."""
        return self.entry(host).error or ""


def notify(
    here: Here,
    host: Server,
    source: str = "127.0.0.1",
    key: dns.tsig.Key | None = KEY,
    serial: int | None = None,
) -> dns.rcode.Rcode:
    """Hand over a NOTIFY as it came from there; returns the reply's code."""
    message = dns.message.make_query(host.apex, dns.rdatatype.SOA)
    message.set_opcode(dns.opcode.NOTIFY)
    if serial is not None:
        soa = f"ns. host. {serial} 1 1 1 1"
        message.answer.append(dns.rrset.from_text(f"{host.apex}.", 5, "IN", "SOA", soa))
    if key is not None:
        message.use_tsig(key)
    received = dns.message.from_wire(message.to_wire(), keyring=KEY)
    (reply,) = here.peers.notified(received, Asker(source, 4711, "127.0.0.1", is_tcp=False))
    return dns.message.from_wire(reply, keyring=KEY, request_mac=message.mac or b"").rcode()
