"""The zones for the site's name servers: SOA, AXFR (RFC 5936), IXFR (RFC 1995), signed (RFC 8945).

In: a request as a message, whose signature was checked. Out: the reply, one message at a time. A
stream may hold 100,000 records, so its sender lets others run between two messages. It never fails
with SERVFAIL: some name servers do not ask for the whole zone after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, Protocol

import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from leasewatch.dns import replies, wire
from leasewatch.dns.signatures import Signatures
from leasewatch.dns.zone import Record, Transfer, Zone

RECORDS: Final = 400
"""Records in one message of a stream, at most: none takes long to write."""
BYTES: Final = 60_000
"""Bytes of records in one message, at most; the rest of 64 KiB is for the header and TSIG."""


class Client(Protocol):
    """What is known of who asks."""

    @property
    def address(self) -> str:
        """Its IP address."""

    @property
    def is_tcp(self) -> bool:
        """Whether it asks over TCP."""


Got = Literal["soa", "zone", "nothing"]
"""What a client got: the SOA alone; all that it lacked; or it had that serial before."""

Asked = Callable[[str, str, int, Got], None]
"""Called with a zone's apex, the address of who asked, the serial of the reply, and its content."""


class Transfers:
    """Answers the site's name servers.

    `find` takes a name, folded and without final dot, and returns the zone with that apex.
    """

    def __init__(
        self,
        find: Callable[[str], Zone | None],
        key: dns.name.Name,
        signatures: Signatures,
        asked: Asked,
    ) -> None:
        self._find = find
        self._key = key
        self._signatures = signatures
        self._asked = asked
        self.incremental = 0
        """IXFR answered with steps."""
        self.whole = 0
        """AXFR, and IXFR answered with the whole zone."""

    def respond(self, message: dns.message.Message, asker: Client) -> Iterator[bytes]:
        """The reply's messages to a question for SOA, AXFR or IXFR; nothing else gets here."""
        question = message.question[0]
        name = wire.text(replies.wire_name(question.name).lower())
        if why := self._refused(message):
            key = self._key.to_text(omit_final_dot=True)
            hint = f"sign with the key {key}: leasewatch dns setup prints how"
            self._signatures.log(asker, "transfer refused", zone=name, why=why, hint=hint)
            return _refusal(message, asker, dns.rcode.REFUSED)
        zone = self._find(name)
        if zone is None or not zone.serial or question.rdclass != dns.rdataclass.IN:
            return _refusal(message, asker, dns.rcode.NOTAUTH)
        transfer = self._transfer(message, asker, zone)
        if transfer is None:
            return _refusal(message, asker, dns.rcode.FORMERR)
        return self._send(message, asker, zone.apex, transfer)

    def _send(
        self, message: dns.message.Message, asker: Client, apex: str, transfer: Transfer
    ) -> Iterator[bytes]:
        """The stream. Its end is reached once all of it was sent, and never if the client goes."""
        yield from replies.stream(message, _parts(transfer.records))
        got: Got = "soa"
        if asker.is_tcp and message.question[0].rdtype != dns.rdatatype.SOA:
            got = "nothing" if transfer.kind == "current" else "zone"
        self._asked(apex, asker.address, transfer.serial, got)

    def _refused(self, message: dns.message.Message) -> str:
        """Why the request may not read any zone; empty: it may."""
        if not message.had_tsig:
            return "the request is not signed"
        if message.keyname != self._key:
            return "its key is not the key for transfers"
        return ""

    def _transfer(self, message: dns.message.Message, asker: Client, zone: Zone) -> Transfer | None:
        """The zone, its changes or its SOA; None: the request is malformed."""
        soa = Transfer("current", zone.serial, (zone.soa(),))
        rdtype = message.question[0].rdtype
        if rdtype == dns.rdatatype.AXFR:
            self.whole += asker.is_tcp
            return zone.axfr() if asker.is_tcp else None  # RFC 5936 4.2
        if rdtype != dns.rdatatype.IXFR:
            return soa
        serial = _known_serial(message)
        if serial is None:
            return None
        if not asker.is_tcp:
            return soa
        transfer = zone.ixfr(serial)
        self.whole += transfer.kind == "whole"
        self.incremental += transfer.kind == "steps"
        return transfer


def _refusal(
    message: dns.message.Message, asker: Client, rcode: dns.rcode.Rcode
) -> Iterator[bytes]:
    most = replies.most_bytes(message, is_tcp=asker.is_tcp)
    yield replies.reply_to(message, rcode).to_wire(max_size=most)


def _parts(records: Iterable[Record]) -> Iterator[list[Record]]:
    """The records, as many together as one message holds."""
    part: list[Record] = []
    size = 0
    for record in records:
        if len(part) == RECORDS or size + len(record) > BYTES:
            yield part
            part, size = [], 0
        part.append(record)
        size += len(record)
    yield part


def _known_serial(message: dns.message.Message) -> int | None:
    """The serial that the client has (RFC 1995 3); None: the request has none."""
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA and rrset.name == message.question[0].name:
            return int(rrset[0].serial)
    return None
