"""The frame of replies: header, question, EDNS with the client's cookie, and TSIG."""

from __future__ import annotations

import struct
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final, cast

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig

from leasewatch.dns.queries import MOST_TCP, PAYLOAD, PLAIN, limit

FUDGE: Final = 300
"""Seconds that a signature is valid before and after it was made."""


def reply_to(
    query: dns.message.Message, rcode: dns.rcode.Rcode = dns.rcode.NOERROR
) -> dns.message.Message:
    """An empty reply; `to_wire` signs it if the query was signed with a key of ours.

    The reply has an OPT record if the query has one (RFC 6891), with the query's cookie: we need
    none of our own (RFC 7873).
    """
    reply = dns.message.make_response(query, our_payload=PAYLOAD, fudge=FUDGE)
    if query.edns >= 0:
        cookies = [one for one in query.options if one.otype == dns.edns.OptionType.COOKIE][:1]
        reply.use_edns(0, 0, PAYLOAD, query.payload, cookies)
    reply.set_rcode(rcode)
    return reply


def most_bytes(query: dns.message.Message, *, is_tcp: bool) -> int:
    """The size of a reply that the client can take."""
    if is_tcp:
        return MOST_TCP
    return PLAIN if query.edns < 0 else limit(query.payload)


def stream(query: dns.message.Message, parts: Iterable[list[bytes]]) -> Iterator[bytes]:
    """A message for each part, each signed (RFC 8945 5.3.1). The query is signed, too."""
    frame = reply_to(query)
    frame.flags |= dns.flags.AA
    context = None
    for records in parts:
        wire, _, context = sealed(frame, records, query.mac or b"", context, multi=True)
        yield wire


def sealed(
    frame: dns.message.Message,
    records: Collection[bytes],
    request_mac: bytes = b"",
    context: Any = None,
    *,
    multi: bool = False,
) -> tuple[bytes, bytes, Any]:
    """A message like `frame` with these answers, its MAC, and the context for the next message.

    The records are whole, in wire form, and their owners end in a pointer to the question's name.
    `frame` has a question, the key and no other records.
    """
    asked = frame.question[0]
    question = wire_name(asked.name) + struct.pack("!HH", asked.rdtype, asked.rdclass)
    extra = b""
    if frame.opt is not None:
        extra = _record(b"\0", dns.rdatatype.OPT, frame.payload, frame.opt[0].to_wire() or b"")
    counts = (1, len(records), 0, bool(extra))
    header = struct.pack("!HHHHHH", frame.id, frame.flags, *counts)
    wire = b"".join((header, question, *records, extra))
    now, key = int(time.time()), frame.keyring
    template = cast("dns.rrset.RRset", frame.tsig)[0]
    tsig, context = dns.tsig.sign(wire, key, template, now, request_mac, context, multi)
    last = _record(wire_name(key.name), dns.rdatatype.TSIG, dns.rdataclass.ANY, tsig.to_wire())
    extras = (bool(extra) + 1).to_bytes(2, "big")
    return b"".join((wire[:10], extras, wire[12:], last)), tsig.mac, context


def wire_name(name: dns.name.Name) -> bytes:
    """An absolute name, uncompressed."""
    return cast("bytes", name.to_wire())


def _record(owner: bytes, rdtype: int, rdclass: int, data: bytes) -> bytes:
    return owner + struct.pack("!HHIH", rdtype, rdclass, 0, len(data)) + data
