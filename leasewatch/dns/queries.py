"""Questions and replies as bytes: what most clients send needs no dnspython. Pure.

One question of class IN, maybe with EDNS (RFC 6891), and in it maybe a client's cookie (RFC 7873).
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

from leasewatch.dns.answer import Answer

PAYLOAD: Final = 1232
"""Bytes that we send over UDP at most (DNS Flag Day 2020), and that we say we receive."""
PLAIN: Final = 512
"""Bytes over UDP for a client without EDNS (RFC 1035 4.2.1)."""
MOST_TCP: Final = 65_535
_LONGEST: Final = 4096
"""Bytes of a message that is read."""
_IN: Final = b"\0\1"

QR, AA, TC, RD = 0x8000, 0x0400, 0x0200, 0x0100
_CD: Final = 0x0010
_AD_CD: Final = (0, 0x10, 0x20, 0x30)
_OPT: Final = re.compile(
    rb"\0\0\x29(..)\0\0([\0\x80])\0(?:\0\0|\0\x0c(\0\x0a\0\x08.{8}))", re.DOTALL
)
_HEADS: Final = {
    (rd | low).to_bytes(2, "big") + b"\0\1\0\0\0\0\0" + bytes([opt]): QR | rd | (low & _CD)
    for rd in (0, RD)
    for low in _AD_CD
    for opt in (0, 1)
}
"""Behind the ID: flags and counts of a common query -> flags of its reply."""


class Query(NamedTuple):
    """A question, and what its reply needs."""

    id: bytes
    flags: int
    """Of the reply, without AA, TC and rcode."""
    question: bytes
    """The question section, in the case of the client."""
    name: bytes
    """Folded."""
    rdtype: int
    opt: bytes
    """The OPT record of the reply; empty: none."""
    most: int
    """Bytes of a reply over UDP."""


def common(data: bytes) -> Query | None:
    """The query, if it is a common one. Its name is not checked yet: see `is_name`."""
    flags = _HEADS.get(data[2:12])
    end = data.find(b"\0", 12) + 5
    if flags is None or end < 17 or data[end - 2 : end] != _IN:
        return None
    opt, most = b"", PLAIN
    if data[11]:
        found = _OPT.fullmatch(data, end)
        if found is None:
            return None
        payload, do, cookie = found.groups()
        opt = opt_record(do, cookie or b"")
        most = limit(int.from_bytes(payload, "big"))
    elif len(data) != end:
        return None
    return Query(
        data[:2],
        flags,
        data[12:end],
        data[12 : end - 4].lower(),  # a length is at most 63, so it is no letter
        int.from_bytes(data[end - 4 : end - 2], "big"),
        opt,
        most,
    )


def is_name(name: bytes) -> bool:
    """Whether it is an absolute name of whole labels, without a pointer."""
    start = 0
    while start < len(name) and 0 < name[start] < 64:
        start += name[start] + 1
    return start == len(name) - 1 and len(name) <= 255


def is_modest(data: bytes) -> bool:
    """Whether a message of at least 12 bytes has no more than questions and NOTIFY need.

    That is one question (RFC 9619), an SOA (RFC 1995 3, RFC 1996 3.7), OPT and TSIG. So no client
    can make us read thousands of records, each with a long name.
    """
    questions, answers, authority, more = struct.unpack_from("!HHHH", data, 4)
    is_small = answers <= 1 and authority <= 1 and more <= 2
    return questions == 1 and is_small and len(data) <= _LONGEST


def limit(payload: int) -> int:
    """Bytes of a reply over UDP, to a client that can receive so many."""
    return max(PLAIN, min(payload, PAYLOAD))


def opt_record(do: bytes = b"\0", options: bytes = b"", high: int = 0) -> bytes:
    """The OPT record of a reply: the first byte of its flags, and the upper bits of the rcode."""
    size = len(options).to_bytes(2, "big")
    return b"\0\0\x29%b%c\0%b\0%b%b" % (PAYLOAD.to_bytes(2, "big"), high, do, size, options)


class Body(NamedTuple):
    """What a reply has besides ID, question and OPT."""

    flags: int
    counts: bytes
    """ANCOUNT and NSCOUNT."""
    records: bytes
    until: float
    """As in `Answer`."""


def body(answer: Answer) -> Body:
    """The answer in wire form."""
    counts = len(answer.records).to_bytes(2, "big") + len(answer.authority).to_bytes(2, "big")
    records = b"".join((*answer.records, *answer.authority))
    return Body(answer.rcode | (AA if answer.aa else 0), counts, records, answer.until)


def reply(query: Query, content: Body, *, is_tcp: bool) -> bytes:
    """The whole reply; without records and with TC if it is too long for UDP (RFC 2181 9)."""
    identity, flags, question, _, _, opt, most = query
    size = 12 + len(question) + len(content.records) + len(opt)
    if size > (MOST_TCP if is_tcp else most):
        return truncated(query, content.flags)
    return b"%b%b\0\1%b\0%c%b%b%b" % (
        identity,
        (flags | content.flags).to_bytes(2, "big"),
        content.counts,
        1 if opt else 0,
        question,
        content.records,
        opt,
    )


def truncated(query: Query, flags: int = 0) -> bytes:
    """A reply that makes the client ask again over TCP."""
    head = (query.flags | flags | TC).to_bytes(2, "big")
    ends = b"\0\0\0\0\0\1" if query.opt else bytes(6)
    return query.id + head + b"\0\1" + ends + query.question + query.opt


def bare(data: bytes, rcode: int) -> bytes:
    """A reply to a message of which only the header can be relied upon: at least 12 bytes."""
    flags = int.from_bytes(data[2:4], "big") & 0x7900  # opcode and RD
    return data[:2] + (QR | flags | rcode).to_bytes(2, "big") + bytes(8)
