"""What the hook answers: questions and published tables to a reply. Pure.

- A name of ours has its addresses; an address of ours has its names. Other types: no data.
- Unknown names do not exist (NXDOMAIN) below NETWORK.SUFFIX alone, which is ours. All others may
  exist elsewhere, also those below a bare name: `ai` must not hide all of `.ai`.
- A name that has no address and awaits one of the asked family is pending. If it has one of the
  other family, it is not: musl gives up on both if one fails.
- Link-local addresses are omitted: a record cannot say which link they are on.
"""

from __future__ import annotations

import base64
import enum
import re
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from leasewatch import addresses
from leasewatch.addresses import Address
from leasewatch.dns import wire
from leasewatch.dns.hook_filters import Zones
from leasewatch.dns.hook_interface import Question, Record, ResolveRecordReply
from leasewatch.names.labels import MAX_NAME, fold
from nss_pyvirt.snapshot import Address as HeldAddress
from nss_pyvirt.snapshot import Answer

TTL: Final = 5
"""Seconds, and never longer than the address holds."""
MOST_NAMES: Final = 16
"""PTR records of one address; the canonical name comes first."""
NO_ERROR, SERVER_FAILURE, NO_SUCH_NAME = 0, 2, 3
NOT_OURS: Final = ResolveRecordReply()

_IN: Final = 1
_ANY: Final = 255
_FAMILIES: Final[dict[int, tuple[int, ...]]] = {
    wire.A: (socket.AF_INET,),
    wire.AAAA: (socket.AF_INET6,),
    _ANY: (socket.AF_INET, socket.AF_INET6),
}
_FIXED: Final = struct.Struct("!HHIH")
"""Type, class, TTL and length of data (RFC 1035, 3.2.1)."""
_OCTET: Final = r"(0|[1-9][0-9]{0,2})"
_IPV4: Final = re.compile(rf"{_OCTET}\.{_OCTET}\.{_OCTET}\.{_OCTET}\.in-addr\.arpa", re.ASCII)
_IPV6: Final = re.compile(r"((?:[0-9a-f]\.){32})ip6\.arpa")


class Tables(NamedTuple):
    """The published tables: what they have for a name and a family, and for an address."""

    name: Callable[[str, int], Answer]
    address: Callable[[Address], Answer]


class _Outcome(enum.Enum):
    NOT_OURS = enum.auto()
    NO_SUCH_NAME = enum.auto()
    NO_DATA = enum.auto()
    PENDING = enum.auto()


def reply(
    questions: Sequence[Question], tables: Tables, zones: Zones, now: int
) -> ResolveRecordReply | None:
    """The reply to all questions together at `now` (Unix seconds); None: the name is pending."""
    records: list[Record] = []
    outcomes: set[_Outcome] = set()
    for question in questions:
        found = _answer(question, tables, zones, now)
        if isinstance(found, _Outcome):
            outcomes.add(found)
        else:
            records += found
    if records:
        return ResolveRecordReply(rcode=NO_ERROR, answer=records)
    if _Outcome.PENDING in outcomes:
        return None
    if _Outcome.NO_DATA in outcomes:
        return ResolveRecordReply(rcode=NO_ERROR, answer=[])
    if _Outcome.NO_SUCH_NAME in outcomes:
        return ResolveRecordReply(rcode=NO_SUCH_NAME)
    return NOT_OURS


def _answer(question: Question, tables: Tables, zones: Zones, now: int) -> list[Record] | _Outcome:
    key, name = question.key, fold(question.key.name)
    if key.class_ not in {None, _IN} or len(name) > MAX_NAME or not name.isascii():
        return _not_found(name, zones) if key.class_ in {None, _IN} else _Outcome.NOT_OURS
    if name.endswith((".in-addr.arpa", ".ip6.arpa")):
        return _reverse(key.type, name, tables, now)
    found = tables.name(name, socket.AF_UNSPEC)
    if found.status == "unknown":
        return _not_found(name, zones)
    usable = [a for a in found.addresses if not addresses.is_link_local(a.packed)]
    families = _FAMILIES.get(key.type, ())
    if records := [_address(name, a, now) for a in usable if a.family in families]:
        return records
    awaited = (tables.name(name, family).status == "not yet" for family in families)
    return _Outcome.PENDING if not usable and any(awaited) else _Outcome.NO_DATA


def _not_found(name: str, zones: Zones) -> _Outcome:
    """Whether a name that no table has may exist elsewhere."""
    if name in zones.networks:
        return _Outcome.NO_DATA
    return _Outcome.NO_SUCH_NAME if zones.is_of_a_network(name) else _Outcome.NOT_OURS


def _reverse(kind: int, name: str, tables: Tables, now: int) -> list[Record] | _Outcome:
    """PTR records. Unknown addresses may have a name elsewhere."""
    address = reverse_address(name)
    if address is None or addresses.is_link_local(address):
        return _Outcome.NOT_OURS
    found = tables.address(address)
    if found.status != "found":
        return _Outcome.NOT_OURS
    if kind not in {wire.PTR, _ANY}:
        return _Outcome.NO_DATA
    ttl = min(TTL, found.addresses[0].expires - now)
    names = map(wire.absolute, found.names[:MOST_NAMES])
    return [_record(name, wire.PTR, ttl, data) for data in names]


def reverse_address(name: str) -> Address | None:
    """The address whose reverse name (folded) it is; None: of none."""
    if found := _IPV4.fullmatch(name):
        octets = [int(octet) for octet in reversed(found.groups())]
        return bytes(octets) if max(octets) < 256 else None
    if found := _IPV6.fullmatch(name):
        return bytes.fromhex(found[1].replace(".", "")[::-1])
    return None


def _address(name: str, address: HeldAddress, now: int) -> Record:
    kind, data = wire.address(address.packed)
    return _record(name, kind, min(TTL, address.expires - now), data)


def _record(name: str, kind: int, ttl: int, data: bytes) -> Record:
    packed = wire.absolute(name) + _FIXED.pack(kind, _IN, max(ttl, 0), len(data)) + data
    return Record(raw=base64.b64encode(packed).decode())
