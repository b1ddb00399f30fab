"""The part of the process that exports names into a zone of another server: `[dns.update]`."""

from __future__ import annotations

import asyncio
import hashlib
import os

from leasewatch.api.dns_interface import DnsStatus
from leasewatch.daemon.dns_settings import DnsSettings, place
from leasewatch.dns import keys, updater
from leasewatch.dns.part import Part
from leasewatch.dns.table import NameTable
from leasewatch.dns.update_notes import Notes
from leasewatch.dns.update_plan import Owner
from leasewatch.dns.update_server import UpdateServer
from leasewatch.dns.updates import Exporter
from leasewatch.paths import Paths
from nss_pyvirt.errors import UserError


class Export(Part):
    """Keeps the zone as the table says. Raises UserError if there is no such key."""

    def __init__(self, settings: DnsSettings, table: NameTable, paths: Paths) -> None:
        server = server_of(settings, paths)
        self._exporter = Exporter(table, server, owner_of(settings, paths), paths.dns_state)

    def start(self) -> None:
        """Begin; it waits for the table."""
        self._exporter.start()

    async def stop(self) -> None:
        """Send no more. The names stay in the zone."""
        await self._exporter.stop()

    def table_changed(self, names: set[str]) -> None:
        """Send what has changed."""
        self._exporter.table_changed(names)

    def report(self, status: DnsStatus) -> None:
        """Add how many names the server has, and what is wrong."""
        status.exports.append(self._exporter.entry())


def server_of(settings: DnsSettings, paths: Paths) -> UpdateServer:
    """The server that takes the updates. Raises UserError if there is no such key."""
    update = settings.update
    return UpdateServer(place(update.server), update.zone, keys.load(paths.dns_keys, update.key))


def owner_of(settings: DnsSettings, paths: Paths) -> Owner:
    """Whose the records of this host are.

    The id is of the machine and its label. Machines that were cloned have one machine id, and each
    would take the other's records for its own. It does not tell the machine id (machine-id(5)).
    """
    label = settings.host or os.uname().nodename.partition(".")[0].lower()
    try:
        machine = (paths.root / "etc/machine-id").read_text(errors="replace").strip()
    except OSError:
        machine = ""
    hashed = hashlib.sha256(f"leasewatch-dns {machine} {label}".encode()).hexdigest()
    return Owner(label, hashed[:8])


def withdraw(settings: DnsSettings, owner: Owner, paths: Paths) -> list[tuple[str, bool]]:
    """Remove all names of `owner`; returns each, and whether it is gone. Raises UserError."""
    server = server_of(settings, paths)
    notes = Notes(paths.dns_state, server.zone)
    notes.read()
    is_ours = owner.id == owner_of(settings, paths).id
    result = asyncio.run(updater.withdraw(server, owner, notes))
    if not is_ours and not server.gives_transfers:
        what = f"{server.shown} gives no transfer, so the names of other hosts are not known"
        raise UserError(what, "leasewatch dns setup bind shows allow-transfer", "invalid")
    if not is_ours and not result:
        what = f"{server.zone} has no names of a host with the id {owner.id}"
        raise UserError(what, f"dig _pyvirt.NAME.{server.zone} TXT", "not-found")
    if is_ours and all(is_gone for _, is_gone in result):
        notes.forget()
    return result
