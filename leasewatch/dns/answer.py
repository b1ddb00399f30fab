"""One answer, and the records in it: wire form, for any case of the question. Pure.

A record's owner is a pointer into the question (RFC 1035 4.1.4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from leasewatch.dns import wire

TTL: Final = 5
"""Seconds, at most: a name may move to another machine at any time."""
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
SIZES: Final = {wire.A: 4, wire.AAAA: 16}
"""Bytes of an address, by the question's type."""
ANY: Final = 255
_HINFO: Final = 13
_QUESTION: Final = b"\xc0\x0c"
_START: Final = 12
"""Where the question starts in a message."""
_FIXED: Final = struct.Struct("!HHIH")
_TIMES: Final = struct.pack("!IIIII", 1, 60, 60, 600, TTL)
"""Of an SOA: serial, refresh, retry, expire, minimum. These zones are never transferred."""
_NOBODY: Final = b"\x06nobody\x07invalid\0"
"""RNAME of zones that others do not have (RFC 6303 3)."""


class Answer(NamedTuple):
    """A reply without header and question."""

    rcode: int
    records: tuple[bytes, ...] = ()
    authority: tuple[bytes, ...] = ()
    until: float = 0.0
    """Unix time until when it may be given again, if the name does not change; 0: only once."""
    is_pending: bool = False
    """A domain that has just started has this name, and its address may come any moment."""

    @property
    def aa(self) -> bool:
        """Whether we are the authority."""
        return self.rcode in {NOERROR, NXDOMAIN}


NOT_OURS: Final = Answer(REFUSED)
NOT_YET: Final = Answer(SERVFAIL, is_pending=True)


def rr(rdtype: int, data: bytes, ttl: int = TTL) -> bytes:
    """A resource record of the name in question."""
    return _QUESTION + _FIXED.pack(rdtype, 1, ttl, len(data)) + data


ANY_DATA: Final = rr(_HINFO, b"\x07RFC8482\0")
"""What a name that exists has of all types (RFC 8482 4.2)."""


def soa(start: int) -> bytes:
    """The SOA of the zone whose apex is the question's name from `start` on."""
    apex = pointer(start)
    data = apex + _NOBODY + _TIMES
    return apex + _FIXED.pack(wire.SOA, 1, TTL, len(data)) + data


def pointer(start: int) -> bytes:
    """A pointer to the question's name from `start` on."""
    return (0xC000 | _START + start).to_bytes(2, "big")


def at_apex(rdtype: int) -> Answer:
    """The answer at the apex of a zone that only this host has, as RFC 6303 3 has it."""
    if rdtype == wire.SOA:
        return Answer(NOERROR, (soa(0),))
    if rdtype == wire.NS:
        return Answer(NOERROR, (rr(wire.NS, _QUESTION),))
    if rdtype == ANY:
        return Answer(NOERROR, (ANY_DATA,))
    return Answer(NOERROR, authority=(soa(0),))


def validity(expires: Iterable[int], now: float) -> tuple[int, float]:
    """The TTL of addresses that expire then (0: never), and the Unix time until when it is that."""
    ends = min(filter(None, expires), default=0)
    if not ends:
        return TTL, float("inf")
    return max(0, min(TTL, int(ends - now))), ends - TTL


def starts(name: bytes) -> Iterator[int]:
    """Where each label of an absolute name starts, but for the root."""
    start = 0
    while name[start]:
        yield start
        start += name[start] + 1


def text(name: bytes) -> str:
    """The name as tables have it; a label with a dot in it gives no name that anybody has."""
    labels = (one.replace(b".", b"\xff") for one in wire.labels(name))
    return b".".join(labels).decode("latin-1")
