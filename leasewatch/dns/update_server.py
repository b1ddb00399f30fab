"""The name server that takes the updates: signed messages over TCP, each with a deadline.

What the server does wrong, or refuses as a whole, is a `ServerError`: one line, and what to type.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Final

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.xfr
import dns.zone

from leasewatch.daemon.dns_settings import Place
from leasewatch.dns import update_messages
from leasewatch.dns.update_names import OWNER_LABEL
from leasewatch.dns.update_plan import Change, Held
from nss_pyvirt.errors import UserError

_DEADLINE: Final = 10.0
"""Seconds for one reply: a server that writes its whole zone first may take some."""
_TRANSFER: Final = 60.0
"""Seconds for a whole zone."""

_SETUP: Final = "leasewatch dns setup bind (or knot) prints what the server needs"

DENIED: Final = "is not allowed by the server's policy (REFUSED)", _SETUP
"""Why a single name is refused, and what to type."""

_NO_TRANSFER: Final = dns.xfr.TransferError, dns.tsig.PeerError
"""The server gives no transfer. Knot says then that it does not know the key."""


class ServerError(UserError):
    """The server cannot be used now: why, and what to type."""


class UnmetError(Exception):
    """A prerequisite does not hold: a name is not as we knew it. Nothing was changed."""


class DeniedError(Exception):
    """The server does not allow one of the changes. Nothing was changed."""


class TooBigError(Exception):
    """The changes do not fit into one message."""


class UpdateServer:
    """One zone of one server. Each method may raise ServerError."""

    def __init__(self, place: Place, zone: str, key: dns.tsig.Key) -> None:
        self.zone = zone
        self.shown = place.address if place.port == 53 else f"{place.address} port {place.port}"
        self._place = place
        self._key = key
        self.gives_transfers = True
        """False: the last time it refused to give the whole zone, so each name is asked for."""

    async def update(self, changes: Sequence[Change]) -> None:
        """Make all changes. Or make none: raises UnmetError, DeniedError or TooBigError."""
        message = update_messages.update(self.zone, self._key, changes)
        try:
            wire = message.to_wire(max_size=65535)
        except dns.exception.TooBig:
            raise TooBigError from None
        async with self._connected() as stream:
            reply = await stream.ask(message, wire)
        if reply.had_tsig and reply.rcode() in update_messages.UNMET:
            raise UnmetError
        if reply.had_tsig and reply.rcode() == dns.rcode.REFUSED:
            raise DeniedError
        self._check(reply)

    def denies_all(self) -> ServerError:
        """The error of a server that allows no change at all."""
        return ServerError(
            f"{self.shown} takes no updates of the zone {self.zone} (REFUSED)", _SETUP
        )

    async def serial(self) -> int:
        """The zone's serial number."""
        message = update_messages.query(self.zone, self._key, "", "SOA")
        async with self._connected() as stream:
            reply = await stream.ask(message, message.to_wire())
        self._check(reply)
        for rrset in reply.answer:
            if rrset.rdtype == dns.rdatatype.SOA:
                return int(rrset[0].serial)
        raise ServerError(
            f"{self.shown} has no zone {self.zone}", f"dig @{self._place.address} {self.zone} SOA"
        )

    async def held(self, names: Iterable[str]) -> dict[str, Held]:
        """What the TXT records say: all of the zone, or of `names` if it gives no transfer."""
        try:
            found = await self._held_of_zone()
        except _NO_TRANSFER:  # if all is refused, the next query shows it
            self.gives_transfers = False
            return await self.held_of(names)
        self.gives_transfers = True
        return found

    async def held_of(self, names: Iterable[str]) -> dict[str, Held]:
        """What the TXT records of these names say, where there is one."""
        found = {}
        async with self._connected() as stream:
            for name in names:
                txt = update_messages.owner_name(name)
                message = update_messages.query(self.zone, self._key, txt, "TXT")
                reply = await stream.ask(message, message.to_wire())
                self._check(reply, dns.rcode.NXDOMAIN)
                held = update_messages.held(one for rrset in reply.answer for one in rrset)
                if held is not None:
                    found[name] = held
        return found

    async def _held_of_zone(self) -> dict[str, Held]:
        """Raises one of `_NO_TRANSFER` if the server does not give the zone."""
        zone = dns.zone.Zone(dns.name.from_text(self.zone))
        query, _ = dns.xfr.make_query(zone, serial=None, keyring=self._key)
        with self._explained(but=_NO_TRANSFER):
            await dns.asyncquery.inbound_xfr(
                self._place.address, zone, query, self._place.port, _DEADLINE, _TRANSFER
            )
        found = {}
        for name, rdataset in zone.iterate_rdatasets(dns.rdatatype.TXT):
            held = update_messages.held(rdataset)
            label, _, rest = name.to_text().partition(".")
            if held is not None and label == OWNER_LABEL and rest:
                found[rest] = held
        return found

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[_Stream]:
        with self._explained():
            async with asyncio.timeout(_DEADLINE):
                reader, writer = await asyncio.open_connection(*self._place)
            try:
                yield _Stream(reader, writer, self._key)
            finally:
                writer.close()

    @contextlib.contextmanager
    def _explained(self, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """Turn what the network and dnspython raise, `but` these, into ServerError."""
        key = self._key.name.to_text(omit_final_dot=True)
        try:
            yield
        except but:
            raise
        except (dns.tsig.PeerBadKey, dns.message.UnknownTSIGKey):
            what = f"{self.shown} does not know the key {key}, or denies it (BADKEY)"
            raise ServerError(what, _SETUP) from None
        except (dns.tsig.PeerBadSignature, dns.tsig.BadSignature):
            what = f"{self.shown} has another secret for the key {key} (BADSIG)"
            raise ServerError(what, "copy the key file to the server again") from None
        except _SkewError as error:
            what = f"this host's clock is {error} that of {self.shown} (BADTIME)"
            raise ServerError(what, "timedatectl shows whether a clock is synchronized") from None
        except TimeoutError:
            what = f"{self.shown} has not answered within {_DEADLINE:.0f} s"
            raise ServerError(what, self._look()) from None
        except dns.exception.Timeout:
            what = f"{self.shown} has not sent its zone within {_TRANSFER:.0f} s"
            raise ServerError(what, self._look()) from None
        except (EOFError, OSError) as error:
            number = getattr(error, "errno", None)  # asyncio's own text names the address again
            why = os.strerror(number) if number else "the connection was closed"
            raise ServerError(f"{self.shown} cannot be reached: {why}", self._look()) from None
        except (dns.exception.DNSException, ValueError) as error:
            what = f"{self.shown} answers what cannot be used: {error}"
            raise ServerError(what, self._look()) from None

    def _check(self, reply: dns.message.Message, *usual: dns.rcode.Rcode) -> None:
        """Raise ServerError for a reply that refuses everything, or that anybody may have sent."""
        rcode = reply.rcode()
        shown = dns.rcode.to_text(rcode)
        if rcode in {dns.rcode.NOERROR, *usual}:
            if reply.had_tsig:
                return
            what = f"{self.shown} does not sign its replies"
            raise ServerError(what, self._look())
        if rcode == dns.rcode.NOTAUTH:
            what = f"{self.shown} is not the primary of the zone {self.zone} ({shown})"
            raise ServerError(what, self._look())
        if rcode == dns.rcode.REFUSED:
            what = f"{self.shown} does not answer for the zone {self.zone} ({shown})"
            raise ServerError(what, _SETUP)
        what = f"{self.shown} has failed ({shown}): its log says why"
        raise ServerError(what, self._look())

    def _look(self) -> str:
        port = "" if self._place.port == 53 else f" -p {self._place.port}"
        return f"dig @{self._place.address}{port} {self.zone} SOA"


class _Stream:
    """A TCP connection to the server."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: dns.tsig.Key
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._key = key

    async def ask(self, message: dns.message.Message, wire: bytes) -> dns.message.Message:
        """The reply to `message`, which `wire` is. Without a signature it may be anybody's."""
        async with asyncio.timeout(_DEADLINE):
            self._writer.write(len(wire).to_bytes(2, "big") + wire)
            await self._writer.drain()
            size = int.from_bytes(await self._reader.readexactly(2), "big")
            answer = await self._reader.readexactly(size)
        try:
            reply = dns.message.from_wire(answer, keyring=self._key, request_mac=message.mac)
        except dns.exception.FormError:  # it may lack a signature, which the caller sees
            reply = dns.message.from_wire(answer, keyring=False)
            reply.tsig = None
        except (dns.tsig.PeerBadTime, dns.tsig.BadTime):
            unchecked = dns.message.from_wire(answer, keyring=False)
            raise _SkewError(_ahead(unchecked)) from None
        if not message.is_response(reply):
            raise dns.query.BadResponse
        return reply


class _SkewError(Exception):
    """The clocks differ too much; by how much, as text."""


def _ahead(reply: dns.message.Message) -> str:
    """How far this clock is ahead of the server's, for an error message (RFC 8945, 5.2.3)."""
    if reply.tsig is None:
        return "more than 300 s from"
    signed = reply.tsig[0]
    there = int.from_bytes(signed.other, "big") if len(signed.other) == 6 else signed.time_signed
    seconds = round(time.time() - there)
    return f"{abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'}"
