"""A small zone, the key for transfers, and requests and replies as name servers write them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.tsig

from leasewatch.dns import wire
from leasewatch.dns.zone import Head, Zone

APEX = "hosta.vm.example.org"
KEY = dns.tsig.Key("xfr.", b"a secret of thirty-two bytes, ok")
OTHER = dns.tsig.Key("other.", b"another secret of 32 bytes, fine")


class FakeAsker(NamedTuple):
    """Who asks."""

    address: str = "10.99.0.3"
    is_tcp: bool = True


def zone(names: int = 3, now: float = 1000.0) -> Zone:
    """A zone with names n0, n1 … in the network lab."""
    made = Zone(APEX, Head(("ns1.example.org",)))
    set_names(made, range(names), now)
    return made


def set_names(changed: Zone, numbers: Iterable[int], now: float, last: int = 1) -> None:
    """Give these names an address."""
    data = [wire.address(bytes((10, n >> 16, n >> 8 & 255, n & 255))) for n in (last,)]
    step = changed.plan({wire.relative(f"n{n}.lab"): data for n in numbers}, now)
    assert step is not None
    changed.apply(step)


def request(
    rdtype: str,
    key: dns.tsig.Key | None = KEY,
    *,
    serial: int | None = None,
    name: str = APEX,
    edns: bool = False,
) -> dns.message.Message:
    """A request for a zone; `serial`: what the client of an IXFR has."""
    query = dns.message.make_query(name, rdtype, use_edns=edns)
    if serial is not None:
        soa = f"ns1. host. {serial} 1 1 1 1"
        query.authority.append(dns.rrset.from_text(name + ".", 0, "IN", "SOA", soa))
    if key is not None:
        query.use_tsig(key)
    return query


def read_stream(query: dns.message.Message, wires: Iterable[bytes]) -> list[dns.message.Message]:
    """The messages of a reply, each with a sound signature of the request's key."""
    context, messages = None, []
    for one in wires:
        message = dns.message.from_wire(
            one,
            keyring=query.keyring,
            request_mac=query.mac or b"",
            xfr=True,
            one_rr_per_rrset=True,
            tsig_ctx=context,
            multi=True,
        )
        assert message.had_tsig
        assert len(one) <= 65_535
        context = message.tsig_ctx
        messages.append(message)
    return messages


def serials(messages: Iterable[dns.message.Message]) -> list[int]:
    """The serials of the SOA records in the answers, in order."""
    records = [rrset for message in messages for rrset in message.answer]
    return [one[0].serial for one in records if one.rdtype == dns.rdatatype.SOA]
