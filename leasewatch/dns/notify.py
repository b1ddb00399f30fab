"""NOTIFY (RFC 1996): secondaries learn at once that a zone has a new serial.

A NOTIFY is repeated until the secondary has asked for that serial, and once more after that. By
itself a default BIND looks only every 300 seconds, so a lost NOTIFY would cost that. It comes from
an address where we listen, because secondaries take it only from the one that they know as primary.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import dns.tsig

from leasewatch.daemon.dns_settings import Place
from leasewatch.daemon.logs import Recent, fields
from leasewatch.dns import replies, source_address
from leasewatch.dns.transfers import Got
from leasewatch.dns.zone import Zone

_LOG = logging.getLogger(__name__)
COALESCE: Final = 0.005
"""Seconds after a NOTIFY in which further changes of the zone become one NOTIFY."""
UNANSWERED: Final = (0.2, 0.5, 1.0, 2.0, 3.0)
"""Seconds until the next NOTIFY if no reply comes; then the last of them again and again."""
_MANY: Final = 12
"""After so many NOTIFY without a reply, in about 30 seconds, the secondary is logged."""
_MOST_ANSWERED: Final = 60.0
"""Seconds between two NOTIFY to a secondary that replies, but does not ask: at most."""
_ENOUGH: Final = 5
"""So often a secondary replies and asks for the SOA alone, or gets a zone again: it has it."""
_CONFIRM: Final = 1.0
"""Seconds after a transfer until one more NOTIFY: who lost the transfer then asks again."""
_START_PACE: Final = 0.002
"""Seconds between two zones at the start."""


class Notifier:
    """Sends NOTIFY to all `targets`; `find` returns the zone with an apex, or None if it is gone.

    It lives in an event loop, from `start` to `stop`.
    """

    def __init__(
        self,
        targets: Iterable[Place],
        listens: Sequence[Place],
        key: dns.tsig.Key,
        find: Callable[[str], Zone | None],
        only: Mapping[Place, str] | None = None,
    ) -> None:
        """`only`: targets that get NOTIFY for one zone, and its apex; the others get it for all."""
        self._only = only or {}
        self._secondaries = {one: _Secondary(one, listens, self._received) for one in targets}
        self._key = key
        self._find = find
        self._due: dict[str, asyncio.Handle] = {}
        self._told: dict[str, float] = {}
        """When each zone was announced last, in the loop's time."""
        self._waits: dict[tuple[str, Place], _Wait] = {}
        self._logged = Recent()
        self._silent: set[Place] = set()
        """Those that have answered none of many NOTIFY."""
        self.sent = 0
        """NOTIFY messages sent."""

    def start(self, zones: Iterable[Zone]) -> None:
        """Tell of all zones: a secondary may have missed the last serial while we were away."""
        for at, zone in enumerate(zones):
            self._schedule(zone.apex, COALESCE + at * _START_PACE)

    def stop(self) -> None:
        """Send nothing any more."""
        for handle in (*self._due.values(), *(wait.timer for wait in self._waits.values())):
            handle.cancel()
        self._due.clear()
        self._waits.clear()
        for secondary in self._secondaries.values():
            secondary.close()

    def zone_changed(self, zone: Zone) -> None:
        """A zone has a new serial, or is new."""
        if zone.apex not in self._due:
            past = asyncio.get_running_loop().time() - self._told.get(zone.apex, -COALESCE)
            self._schedule(zone.apex, COALESCE - past)

    def asked(self, apex: str, address: str, serial: int, got: Got) -> None:
        """A client with the transfer key asked for a zone, and got this serial.

        A client that asked for the SOA alone may fail to get the zone: it hears some more NOTIFY.
        One that was sent the zone may have lost it on the way: it hears one more.
        The question of an address that no NOTIFY goes to, or that several secondaries share, counts
        for all of these that have answered the last NOTIFY.
        """
        zone = self._find(apex)
        if zone is not None and serial != zone.serial:
            return
        here = [one for one in self._secondaries if one.address == address]
        for place in here or self._secondaries:
            wait = self._waits.get((apex, place))
            if wait is None or (len(here) != 1 and not wait.answered):
                continue
            wait.asked = True
            if got == "soa":
                continue
            wait.timer.cancel()
            wait.sent += 1
            if got == "nothing" or wait.sent > _ENOUGH:
                del self._waits[apex, place]
                continue
            wait.id = b""  # replies to earlier NOTIFY count no longer
            loop = asyncio.get_running_loop()
            wait.timer = loop.call_later(_CONFIRM, self._send, apex, (place,), 1)

    def waiting(self) -> list[tuple[str, Place]]:
        """Zones, and the secondaries that have not asked for their serial yet."""
        return [key for key, wait in self._waits.items() if not wait.sent]

    def _schedule(self, apex: str, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._due[apex] = (
            loop.call_later(seconds, self._announce, apex)
            if seconds > 0
            else loop.call_soon(self._announce, apex)  # after all changes of this moment
        )

    def _announce(self, apex: str) -> None:
        """The first NOTIFY of a serial. A silent secondary keeps its slow repetition."""
        del self._due[apex]
        self._told[apex] = asyncio.get_running_loop().time()
        told = (one for one in self._secondaries if self._only.get(one, apex) == apex)
        places = [place for place in told if not self._is_silent(apex, place)]
        self._send(apex, places, 0)

    def _is_silent(self, apex: str, place: Place) -> bool:
        wait = self._waits.get((apex, place))
        if wait is None or wait.answered or wait.asked:
            return False
        return wait.attempt >= len(UNANSWERED)

    def _send(self, apex: str, places: Iterable[Place], attempt: int) -> None:
        """Send one message to all of them, and plan the next."""
        zone = self._find(apex)
        wire, mac = self._message(zone) if zone is not None else (b"", b"")
        loop = asyncio.get_running_loop()
        for place in places:
            key = apex, place
            if (before := self._waits.pop(key, None)) is not None:
                before.timer.cancel()
            if not wire:
                continue
            if (why := self._secondaries[place].send(wire)) and self._logged.is_new(place, why):
                _LOG.warning("NOTIFY not sent, trying again %s", fields(to=place, why=why))
            self.sent += 1
            if attempt == _MANY and place not in self._silent:
                self._silent.add(place)
                shown = fields(to=place, zone=apex, hint=_SILENT_HINT)
                _LOG.warning("NOTIFY not answered, repeating it %s", shown)
            delay = UNANSWERED[min(attempt, len(UNANSWERED) - 1)]
            timer = loop.call_later(delay, self._send, apex, (place,), attempt + 1)
            wait = _Wait(wire[:2], mac, timer, attempt + 1)
            if before is not None and attempt:
                wait.replies, wait.asked = before.replies, before.asked
                wait.sent = before.sent
            self._waits[key] = wait

    def _message(self, zone: Zone) -> tuple[bytes, bytes]:
        """The NOTIFY of a zone and its MAC."""
        frame = dns.message.make_query(zone.apex, dns.rdatatype.SOA)
        frame.flags = dns.flags.Flag(dns.flags.AA)
        frame.set_opcode(dns.opcode.NOTIFY)
        frame.use_tsig(self._key, fudge=replies.FUDGE)
        wire, mac, _ = replies.sealed(frame, [zone.soa()])
        return wire, mac

    def _received(self, place: Place, wire: bytes) -> None:
        """A reply: the secondary is there. Ask it again later, in case its question got lost."""
        waits = [(k, w) for k, w in self._waits.items() if k[1] == place and w.id == wire[:2]]
        if waits:
            self._silent.discard(place)
        for key, wait in waits[:1]:
            why = self._refusal(wire, wait)
            if why is None:
                continue
            apex = key[0]
            if why and self._logged.is_new(place, apex, why):
                shown = fields(by=place, zone=apex, why=why, hint=_HINT)
                _LOG.warning("NOTIFY refused, trying again %s", shown)
            wait.timer.cancel()
            wait.answered = True
            if wait.sent or (wait.asked and wait.replies >= _ENOUGH):
                del self._waits[key]
                continue
            delay = min(_MOST_ANSWERED, 2.0**wait.replies)
            wait.replies += 1
            loop = asyncio.get_running_loop()
            wait.timer = loop.call_later(delay, self._send, apex, (place,), wait.attempt)

    def _refusal(self, wire: bytes, wait: _Wait) -> str | None:
        """Why the secondary does not take the NOTIFY; empty: it does; None: no sound reply."""
        try:
            reply = dns.message.from_wire(wire, keyring=self._key, request_mac=wait.mac)
        except dns.tsig.PeerBadTime:
            return "BADTIME: the clocks differ"
        except dns.tsig.PeerError:
            return "it has no such key, or another secret"
        except dns.exception.DNSException:
            return None
        if not reply.flags & dns.flags.QR:
            return None
        rcode = reply.rcode()
        return "" if rcode == dns.rcode.NOERROR else dns.rcode.to_text(rcode)


_SILENT_HINT: Final = "is it running there, and does its firewall let our UDP through?"
_HINT: Final = "compare its configuration with leasewatch dns setup"


@dataclass
class _Wait:
    """A secondary that was told of a zone and has not asked yet."""

    id: bytes
    """Of the last NOTIFY."""
    mac: bytes
    timer: asyncio.TimerHandle
    attempt: int
    """NOTIFY sent for this serial."""
    replies: int = 0
    """NOTIFY of this serial that were answered."""
    asked: bool = False
    """Whether it has asked for the SOA."""
    sent: int = 0
    """How often it was sent the serial; the reply to the next NOTIFY is the last."""
    answered: bool = False
    """Whether the last NOTIFY was."""


class _Secondary:
    """The socket to one secondary; it is made when it is used, and again after an error."""

    def __init__(
        self, place: Place, listens: Sequence[Place], received: Callable[[Place, bytes], None]
    ) -> None:
        self._place = place
        self._listens = listens
        self._received = received
        self._socket: socket.socket | None = None

    def send(self, wire: bytes) -> str:
        """Send; why it failed, or nothing."""
        try:
            if self._socket is None:
                self._socket = self._connected()
                asyncio.get_running_loop().add_reader(self._socket, self._readable)
            self._socket.send(wire)
        except OSError as error:
            self.close()
            return error.strerror or str(error)
        return ""

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        source = source_address.choose(self._place, self._listens)
        made = source_address.udp(self._place)
        try:
            if source:
                made.bind((source, 0))
            made.connect(self._place)
        except OSError:
            made.close()
            raise
        return made

    def _readable(self) -> None:
        if self._socket is None:
            return
        with contextlib.suppress(OSError):  # an ICMP error: the NOTIFY is repeated anyway
            self._received(self._place, self._socket.recv(65_535))
