"""Follows one peer: when its zone is pulled, and when its names have expired."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Final

import dns.tsig

from leasewatch.daemon.dns_settings import PORT, Place
from leasewatch.daemon.logs import NOTICE, fields
from leasewatch.dns.peer_zone import PeerZone
from leasewatch.dns.pull import PullError, Source, pull

AWAY_PAUSES: Final = (0.5, 1.0, 2.0, 2.5)
"""Seconds until a peer that does not answer is tried again; then the last of them."""
WRONG_PAUSES: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""The same for one that answers something wrong."""
_SPACING: Final = 0.02
"""Seconds after a pull that brought nothing, however many NOTIFY a peer sends."""

_LOG = logging.getLogger(__name__)


class Follower:
    """One peer. `pulled` is called after each transfer that succeeded, and after expiry."""

    def __init__(
        self,
        host: str,
        place: Place | None,
        zone: PeerZone,
        key: dns.tsig.Key,
        listens: Sequence[Place],
        pulled: Callable[[Follower], None],
    ) -> None:
        self.host = host
        self.place = place
        """None: the system's resolver says where it is."""
        self.zone = zone
        self.error: PullError | None = None
        """Why the last transfer failed."""
        self.addresses = {place.address} if place is not None else set[str]()
        """Where NOTIFY may come from."""
        self.renew_at = 0.0
        """When its records have to be published again, in Unix seconds."""
        self._key = key
        self._listens = listens
        self._pulled = pulled
        self._contact: float | None = None
        """Of the event loop's clock."""
        self._failed = 0
        self._told = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, age: float) -> None:
        """Pull from now on. `age`: seconds since the last contact, if the zone is known."""
        if self.zone.soa is not None:
            self._contact = asyncio.get_running_loop().time() - age
        self._task = asyncio.create_task(self._run(), name=f"peer {self.host}")

    async def stop(self) -> None:
        """Pull no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def notified(self, serial: int | None) -> None:
        """It says that its zone has changed; `serial`: to what, if it says that."""
        has_it = self.zone.soa is not None and self.zone.soa.serial == serial
        if (self.error is None and not has_it) or (self.error is not None and self.error.away):
            self._told.set()

    def age(self) -> float | None:
        """Seconds since the last contact; None: never."""
        loop = asyncio.get_running_loop()
        return None if self._contact is None else loop.time() - self._contact

    async def _run(self) -> None:
        while True:
            self._told.clear()
            try:
                place = self.place or await self._resolved()
                await pull(self.zone, Source(place, self._key, self._listens))
            except PullError as error:
                self._fail(error)
            else:
                self._succeed()
                await asyncio.sleep(0 if self.zone.touched else _SPACING)
                self._pulled(self)
            await self._pause()

    async def _pause(self) -> None:
        """Wait until it is time to pull again; meanwhile its names may expire."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._seconds()
        while loop.time() < until:
            expires = self._expires()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(until, expires)):
                    await self._told.wait()
                    return
            if loop.time() >= expires:
                self._expire()

    def _seconds(self) -> float:
        if self.error is not None:
            pauses = AWAY_PAUSES if self.error.away else WRONG_PAUSES
            return pauses[min(self._failed, len(pauses)) - 1]
        return self.zone.soa.refresh if self.zone.soa is not None else WRONG_PAUSES[0]

    def _expires(self) -> float:
        """When its names have expired, on the event loop's clock."""
        if self.zone.soa is None or self._contact is None:
            return float("inf")
        return self._contact + self.zone.soa.expire

    def _expire(self) -> None:
        shown = fields(peer=self.host, names=len(self.zone.names), expire=self._lifetime())
        _LOG.warning("names of a peer have expired %s", shown)
        self.zone.clear()
        self._pulled(self)

    def _lifetime(self) -> int:
        return self.zone.soa.expire if self.zone.soa is not None else 0

    def _succeed(self) -> None:
        if self.error is not None or self._contact is None:
            serial = self.zone.soa.serial if self.zone.soa is not None else None
            shown = fields(peer=self.host, serial=serial, names=len(self.zone.names))
            _LOG.log(NOTICE, "peer %s", shown)
        if self.zone.left_out and self.zone.touched:
            why = self.zone.shown_left_out()
            _LOG.warning("records of a peer are left out %s", fields(peer=self.host, why=why))
        self.error, self._failed = None, 0
        self._contact = asyncio.get_running_loop().time()

    def _fail(self, error: PullError) -> None:
        """Log a new failure once, with what happens to the names."""
        if self.error is None or self.error.what != error.what:
            age = self.age()
            keeps = None if age is None else max(0, round(self._lifetime() - age))
            shown = fields(
                peer=self.host,
                at=None if self.place is None else place_text(self.place),
                why=error.what,
                hint=error.hint or None,
                expire=keeps,
            )
            _LOG.warning("peer not pulled %s", shown)
        self.error = error
        self._failed += 1

    async def _resolved(self) -> Place:
        """Where a host is that the settings give no address of."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self.host, PORT, type=socket.SOCK_STREAM)
        except OSError as error:
            hint = f'write its address: pull = ["{self.host} ADDRESS"]'
            raise PullError(f"{self.host} does not resolve: {error.strerror}", hint) from None
        self.addresses = {str(row[4][0]) for row in found}
        # Another address after each failure: one of them may be unreachable from here.
        return Place(str(found[self._failed % len(found)][4][0]), PORT)


def place_text(place: Place) -> str:
    """ADDRESS:PORT or [ADDRESS]:PORT."""
    address = f"[{place.address}]" if ":" in place.address else place.address
    return f"{address}:{place.port}"
