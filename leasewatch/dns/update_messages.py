"""The messages of the exporter: UPDATE with its prerequisites (RFC 2136), queries, replies. Pure.

A new name needs two prerequisites: nothing is at NAME, and no TXT record is at `_pyvirt.NAME`. A
change or removal needs one: the TXT record is the one that we know. It deletes the very records
that we wrote, never all of a name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from leasewatch.dns.update_names import OWNER_LABEL
from leasewatch.dns.update_plan import Change, Held, parse_texts, texts

TTL: Final = 5
"""Seconds, of every record."""
_OWNER: Final = OWNER_LABEL.encode()
UNMET: Final = frozenset(
    {dns.rcode.YXDOMAIN, dns.rcode.YXRRSET, dns.rcode.NXDOMAIN, dns.rcode.NXRRSET}
)
"""A prerequisite does not hold, so the server has changed nothing."""


def update(zone: str, key: dns.tsig.Key, changes: Iterable[Change]) -> dns.update.UpdateMessage:
    """All changes in one message: the server makes all or none."""
    message = dns.update.UpdateMessage(zone, keyring=key)
    for change in changes:
        _add(message, change)
    return message


def _add(message: dns.update.UpdateMessage, change: Change) -> None:
    _, before, after = change
    name = dns.name.from_text(change.name, None)  # parsed once: that takes most of the time
    txt = dns.name.Name((_OWNER, *name.labels))
    if before is None:
        message.absent(txt, "TXT")
        message.absent(name)
    else:
        message.present(txt, _txt(before))
        if before != after:
            message.delete(txt, _txt(before))
        for one in before.addresses:
            if after is None or one not in after.addresses:
                message.delete(name, _address(one))
    if after is not None:
        message.add(txt, TTL, _txt(after))
        for one in after.addresses:
            message.add(name, TTL, _address(one))


def query(zone: str, key: dns.tsig.Key, name: str, rdtype: str) -> dns.message.QueryMessage:
    """A query for `name` below the zone; empty: the zone itself."""
    whole = f"{name}.{zone}." if name else f"{zone}."
    message = dns.message.make_query(whole, rdtype)
    message.use_tsig(key)
    return message


def owner_name(name: str) -> str:
    """Where the TXT record of a name is."""
    return f"{OWNER_LABEL}.{name}"


def held(records: Iterable[dns.rdata.Rdata]) -> Held | None:
    """What the TXT records of a name say; None: none of them is leasewatch's."""
    for one in records:
        if isinstance(one, TXT) and (found := parse_texts(one.strings)) is not None:
            return found
    return None


def _txt(held: Held) -> dns.rdata.Rdata:
    return TXT(dns.rdataclass.IN, dns.rdatatype.TXT, texts(held))


def _address(text: str) -> dns.rdata.Rdata:
    if ":" in text:
        return AAAA(dns.rdataclass.IN, dns.rdatatype.AAAA, text)
    return A(dns.rdataclass.IN, dns.rdatatype.A, text)
