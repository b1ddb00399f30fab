"""Which parts the settings ask for, and how they are connected."""

from __future__ import annotations

import os
from collections.abc import Iterator

import dns.message
import dns.rcode

from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.dns import keys, queries, replies
from leasewatch.dns.asking import Asker
from leasewatch.dns.export import Export
from leasewatch.dns.hub import Hub
from leasewatch.dns.own_zones import OwnZones
from leasewatch.dns.part import Part
from leasewatch.dns.peers import NoPeers, Peers
from leasewatch.dns.responder import Handler
from leasewatch.dns.secondaries import Secondaries
from leasewatch.dns.server import Server
from leasewatch.dns.signatures import Signatures
from leasewatch.dns.state import State
from leasewatch.dns.table import NameTable
from leasewatch.dns.update_notes import report_left
from leasewatch.dns.zones import Zones
from leasewatch.paths import Paths


def parts(settings: DnsSettings, table: NameTable, paths: Paths) -> list[Part]:
    """The parts, each behind those that it uses; none is started. Raises UserError."""
    key = keys.load(paths.dns_keys, settings.key) if settings.key else None
    signatures = Signatures({key.name: key} if key is not None else {})
    zones = Zones(State(paths.dns_state))
    found: list[Part] = []
    if settings.site:
        found.append(OwnZones(settings, os.uname().nodename, zones, table))
    transfer: Handler = _not_ours
    notified: Handler = _not_ours
    if not settings.pull:
        found.append(NoPeers(paths))
    elif key is not None:
        hub = Hub(settings, zones) if settings.catalog == "hub" else None
        peers = Peers(settings, table, paths, key, hub.changed if hub is not None else None)
        found.append(peers)
        notified = peers.notified
    if key is not None:
        secondaries = Secondaries(settings, zones, key, signatures)
        found.insert(0, secondaries)
        transfer = secondaries.respond
    peers_table = paths.peers_snapshot if settings.pull else None
    door = (zones.served, signatures.read, transfer, notified, settings, peers_table)
    found.append(Server(table, *door))
    report_left(paths.dns_state, settings.update.zone)
    if settings.update.server:
        found.append(Export(settings, table, paths))
    return found


def _not_ours(message: dns.message.Message, _: Asker) -> Iterator[bytes]:
    """The reply of a host that has no zones for others."""
    yield replies.reply_to(message, dns.rcode.NOTAUTH).to_wire(max_size=queries.PAYLOAD)
