"""One transfer of another host's zone: IXFR over TCP, signed, bounded in bytes and seconds.

In: a zone as it is, where its host is, the key. The zone changes as a whole, or PullError says why
it did not. A zone whose serial went back, or whose changes do not fit, is fetched whole.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import dns.exception
import dns.message
import dns.rcode
import dns.tsig
import dns.xfr

from leasewatch.daemon.dns_settings import Place
from leasewatch.daemon.logs import NOTICE, fields
from leasewatch.dns import source_address
from leasewatch.dns.peer_zone import PeerZone, PeerZoneError

CONNECT_SECONDS: Final = 2.0
"""With the pause before a next attempt, a link that is back is noticed within 5 seconds."""
IDLE_SECONDS: Final = 4.0
"""Between two messages of a transfer."""
SECONDS: Final = 60.0
"""Of a whole transfer."""
BYTES: Final = 8 << 20
"""Of a whole transfer; 20,000 names take one."""
MESSAGES: Final = 5_000
"""Of a whole transfer; 20,000 names take 100."""

_LOG = logging.getLogger(__name__)
_AWAY_HINT: Final = "is leasewatch-dns running there, and is its port open?"
_KEY_HINT: Final = "both hosts need the same file: leasewatch dns key"


class PullError(Exception):
    """Why there was no transfer.

    `away`: nothing answered, or it has no zone yet, so it may be tried again soon.
    """

    def __init__(self, what: str, hint: str = "", *, away: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.away = away


class Source(NamedTuple):
    """Where a zone comes from."""

    place: Place
    key: dns.tsig.Key
    listens: Sequence[Place] = ()
    """Where we listen: requests come from there, because the peer knows that address."""


async def pull(zone: PeerZone, source: Source) -> None:
    """Bring the zone up to date. Raises PullError."""
    try:
        async with asyncio.timeout(SECONDS):
            await _pull(zone, source)
    except TimeoutError:
        raise PullError(f"the transfer took over {SECONDS:.0f} seconds") from None
    except PeerZoneError as error:
        raise PullError(str(error), "no name of it changes") from None
    except dns.xfr.TransferError as error:
        raise _refused(error.rcode) from None
    except (dns.tsig.PeerError, dns.tsig.BadTime, dns.tsig.BadSignature) as error:
        raise _wrongly_signed(error) from None
    except dns.message.UnknownTSIGKey:
        raise PullError("its answer is signed with another key", _KEY_HINT) from None
    except PullError:
        raise
    except Exception as error:  # noqa: BLE001  a strange answer must not end the pulling
        why = str(error)[:80] or type(error).__name__
        raise PullError(f"its answer is malformed: {why}", "no name of it changes") from None


async def _pull(zone: PeerZone, source: Source) -> None:
    """The same with the errors as they come; any but of time ends an IXFR with an AXFR."""
    if zone.soa is not None:
        try:
            await _transfer(zone, source, zone.soa.serial)
        except dns.xfr.SerialWentBackwards:
            shown = fields(zone=zone.apex, had=zone.soa.serial)
            _LOG.log(NOTICE, "serial of a peer went back, fetching all of its zone %s", shown)
        except (PeerZoneError, dns.exception.FormError) as error:
            shown = fields(zone=zone.apex, why=str(error))
            _LOG.log(NOTICE, "changes of a peer do not fit, fetching all of its zone %s", shown)
        else:
            return
    await _transfer(zone, source, None)


async def _transfer(zone: PeerZone, source: Source, serial: int | None) -> None:
    reader, writer = await _connected(source)
    try:
        query, _ = dns.xfr.make_query(zone, serial, keyring=source.key)
        wire = query.to_wire()
        writer.write(struct.pack("!H", len(wire)) + wire)
        await writer.drain()
        await _receive(zone, query, reader, serial)
    except asyncio.IncompleteReadError:
        raise PullError("it closed the connection", _AWAY_HINT, away=True) from None
    except OSError as error:
        raise _away(error) from None
    finally:
        writer.close()


async def _connected(source: Source) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    place, local = source.place, None
    try:
        if source.listens and (ours := source_address.choose(place, source.listens)):
            local = ours, 0
        async with asyncio.timeout(CONNECT_SECONDS):
            return await asyncio.open_connection(place.address, place.port, local_addr=local)
    except TimeoutError:
        what = f"no answer in {CONNECT_SECONDS:.0f} seconds"
        raise PullError(what, _AWAY_HINT, away=True) from None
    except OSError as error:
        raise _away(error) from None


async def _receive(
    zone: PeerZone, query: dns.message.Message, reader: asyncio.StreamReader, serial: int | None
) -> None:
    """Read messages until the zone is there."""
    context, size, messages, done = None, 0, 0, False
    with dns.xfr.Inbound(zone, query.question[0].rdtype, serial) as inbound:
        while not done:
            data = await _message(reader)
            size, messages = size + len(data), messages + 1
            if size > BYTES or messages > MESSAGES:
                raise PeerZoneError(f"it sends over {BYTES} bytes or {MESSAGES} messages")
            message = dns.message.from_wire(
                data,
                keyring=query.keyring,
                request_mac=query.mac or b"",
                xfr=True,
                tsig_ctx=context,
                multi=True,
                one_rr_per_rrset=True,
            )
            if not query.is_response(message, xfr_continuation=messages > 1):
                raise dns.exception.FormError("it answers another question")
            zone.check(message)
            done = inbound.process_message(message)
            context = message.tsig_ctx
            await asyncio.sleep(0)  # a long transfer is not the only work here


async def _message(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(IDLE_SECONDS):
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            message = await reader.readexactly(length)
    except TimeoutError:
        what = f"no answer in {IDLE_SECONDS:.0f} seconds"
        raise PullError(what, _AWAY_HINT, away=True) from None
    return message


def _away(error: OSError) -> PullError:
    why = os.strerror(error.errno) if error.errno else str(error)
    return PullError(why[:1].lower() + why[1:], _AWAY_HINT, away=True)


def _refused(rcode: dns.rcode.Rcode) -> PullError:
    hint = "does it list the same key, and is its [dns] host the name here?"
    has_just_started = rcode == dns.rcode.NOTAUTH  # and has no zone before it knows its names
    return PullError(f"it answers {dns.rcode.to_text(rcode)}", hint, away=has_just_started)


def _wrongly_signed(error: dns.exception.DNSException) -> PullError:
    if isinstance(error, (dns.tsig.PeerBadTime, dns.tsig.BadTime)):
        return PullError("the clocks differ by over 300 seconds", "set both clocks: timedatectl")
    return PullError("it has no such key, or another secret", _KEY_HINT)
