"""The other hosts of the site: their zones are pulled, so that this host answers their names alone.

In: `[dns] pull`, NOTIFY, and the table of this host, whose names come first. Out: the table of
peers' names for the NSS module; for a hub, each zone that changed.

A peer is pulled when it sends NOTIFY, and otherwise as often as its SOA says. One that does not
answer is tried again every few seconds, so a link that is back is noticed soon. Its names stay
until its SOA's expire after the last contact. A peer that sends what is no host's zone keeps the
names that it had, and is asked less and less often. Each peer has its own task, and waits for no
other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import Final

import dns.message
import dns.rcode
import dns.rdatatype
import dns.tsig

from leasewatch.api.dns_interface import DnsStatus, PeerEntry
from leasewatch.daemon.dns_settings import DnsSettings
from leasewatch.daemon.logs import Recent, fields
from leasewatch.dns import replies
from leasewatch.dns.asking import Asker
from leasewatch.dns.follower import Follower, place_text
from leasewatch.dns.part import Part
from leasewatch.dns.peer_names import PeerNames
from leasewatch.dns.peer_state import PeerState
from leasewatch.dns.peer_zone import PeerZone
from leasewatch.dns.peers_table import PeersTable
from leasewatch.dns.table import NameTable
from leasewatch.paths import Paths

SAVE_SECONDS: Final = 1.0
"""A zone that changes all the time is written to disk so often; the first change at once."""
MOST_LEFT_OUT: Final = 100
"""Bare names of a peer that the status lists with why they do not answer."""

Changed = Callable[[PeerZone, set[str]], None]
_LOG = logging.getLogger(__name__)


class NoPeers(Part):
    """Removes the table that earlier settings left."""

    def __init__(self, paths: Paths) -> None:
        self._path = paths.peers_snapshot

    def start(self) -> None:
        """Remove it; the parts of the earlier settings have stopped."""
        self._path.unlink(missing_ok=True)


class Peers(Part):
    """All peers. `changed` is called after each transfer, with the names that changed, if any."""

    def __init__(
        self,
        settings: DnsSettings,
        table: NameTable,
        paths: Paths,
        key: dns.tsig.Key,
        changed: Changed | None = None,
    ) -> None:
        self._table = table
        self._changed = changed
        self._names = PeerNames()
        self._published = PeersTable(paths.peers_snapshot, self._names)
        self._state = PeerState(paths.dns_state / "peers")
        self._saves: dict[str, asyncio.TimerHandle] = {}
        self._saved: dict[str, float] = {}
        """When each zone was last written to disk, on the event loop's clock."""
        self._logged = Recent()
        self._followers = {
            peer.host: Follower(
                peer.host,
                peer.place,
                PeerZone(f"{peer.host}.vm.{settings.site}"),
                key,
                settings.listens(),
                self._pulled,
            )
            for peer in settings.peers()
        }

    def start(self) -> None:
        """Publish what is kept of the peers, and begin to pull."""
        self._state.keep_only({*self._followers})
        if self._table.networks or self._table.blocked:
            self.table_changed(set())
        for follower in self._followers.values():
            age = self._state.load(follower.host, follower.zone)
            self._pulled(follower)
            follower.start(age)
        self._published.start()

    async def stop(self) -> None:
        """Pull no more. The published table stays."""
        for follower in self._followers.values():
            await follower.stop()
        for host in [*self._saves]:
            self._save(host)
        self._published.stop()

    def table_changed(self, names: set[str]) -> None:
        """Other bare names are free: this host has other names or networks."""
        del names
        own = (one for one in self._table.networks.values() if not one.shared)
        prefixes = {cidr for one in own for cidr in one.prefixes}
        blocked = self._table.blocked | self._followers.keys()
        self._published.changed(self._names.set_own(blocked, prefixes))

    def report(self, status: DnsStatus) -> None:
        """Add how each peer stands."""
        status.peers += map(self._entry, self._followers.values())

    def notified(self, message: dns.message.Message, asker: Asker) -> Iterator[bytes]:
        """NOTIFY (RFC 1996). It counts if it is signed and comes from the peer's own address."""
        apex = message.question[0].name.to_text(omit_final_dot=True).lower()
        found = (one for one in self._followers.values() if one.zone.apex == apex)
        follower = next(found, None)
        if follower is None or asker.address not in follower.addresses:
            rcode = dns.rcode.REFUSED
        elif not message.had_tsig:
            rcode = dns.rcode.NOTAUTH
        else:
            rcode = dns.rcode.NOERROR
            soa = [one[0] for one in message.answer if one.rdtype == dns.rdatatype.SOA]
            follower.notified(soa[0].serial if soa else None)
        yield replies.reply_to(message, rcode).to_wire()

    def zones(self) -> list[PeerZone]:
        """The zone of each peer."""
        return [follower.zone for follower in self._followers.values()]

    def _pulled(self, follower: Follower) -> None:
        """A zone is up to date, or has expired.

        Records carry an end of their own, in case this process is gone by then: after the expire of
        the zone, and before twice that.
        """
        zone, host = follower.zone, follower.host
        touched = zone.take_touched()
        wall = time.time()
        lifetime = zone.soa.expire if zone.soa is not None else 0
        if follower.renew_at <= wall:
            follower.renew_at = wall + lifetime
            touched.update(zone.names)
        if self._changed is not None:
            self._changed(zone, touched)
        if touched:
            expires = int(follower.renew_at) + lifetime
            keys = self._names.set_zone(host, zone.apex, zone.names, touched, expires)
            self._published.changed(keys)
            if host not in self._saves:
                loop = asyncio.get_running_loop()
                due = self._saved.get(host, -SAVE_SECONDS) + SAVE_SECONDS
                self._saves[host] = loop.call_at(due, self._save, host)
        elif host not in self._saves:
            with contextlib.suppress(OSError):
                self._state.touch(host)

    def _save(self, host: str) -> None:
        self._saves.pop(host).cancel()
        self._saved[host] = asyncio.get_running_loop().time()
        try:
            self._state.save(host, self._followers[host].zone)
        except OSError as error:
            hint = "a restart while the peer is away would lose its names"
            shown = fields(peer=host, why=error.strerror, hint=hint)
            if self._logged.is_new(shown):
                _LOG.warning("zone of a peer not kept %s", shown)

    def _entry(self, follower: Follower) -> PeerEntry:
        zone, error, age = follower.zone, follower.error, follower.age()
        checked = None if age is None else time.time() - age
        left_out = self._names.left_out(follower.host, MOST_LEFT_OUT)
        return PeerEntry(
            host=follower.host,
            zone=zone.apex,
            address=place_text(follower.place) if follower.place is not None else None,
            serial=zone.soa.serial if zone.soa is not None else None,
            names=len(zone.names),
            checked=checked,
            expires=checked + zone.soa.expire if checked and zone.soa is not None else None,
            error=(error.what if error is not None else zone.shown_left_out()) or None,
            hint=(error.hint if error is not None else "") or None,
            left_out=[f"{name}: {why}" for name, why in left_out.items()],
        )
