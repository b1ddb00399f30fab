"""Read a transfer as a secondary does, with dnspython."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

import dns.message
import dns.name
import dns.rdatatype
import dns.xfr
import dns.zone

from leasewatch.dns import wire
from leasewatch.dns.zone import Record, Transfer, Zone


def messages(
    apex: str, rdtype: int, records: Iterable[Record], each: int = 50
) -> Iterator[dns.message.Message]:
    """The messages that carry these records, `each` in one."""
    left = list(records)
    while left:
        part, left = left[:each], left[each:]
        header = struct.pack("!HHHHHH", 7, 0x8400, 1, len(part), 0, 0)
        question = wire.absolute(apex) + struct.pack("!HH", rdtype, 1)
        yield dns.message.from_wire(
            header + question + b"".join(part),
            origin=dns.name.from_text(apex),
            xfr=True,
            one_rr_per_rrset=True,
        )


def take(
    secondary: dns.zone.Zone, apex: str, rdtype: dns.rdatatype.RdataType, transfer: Transfer
) -> None:
    """Let a secondary take a transfer. Raises what dnspython says against it."""
    serial = secondary.get_soa().serial if len(secondary.nodes) else None
    with dns.xfr.Inbound(secondary, rdtype, serial) as inbound:
        done = False
        for message in messages(apex, rdtype, transfer.records):
            assert not done
            done = inbound.process_message(message)
        assert done


def axfr(zone: Zone) -> dns.zone.Zone:
    """A secondary's copy of the whole zone."""
    secondary = dns.zone.Zone(zone.apex + ".")
    take(secondary, zone.apex, dns.rdatatype.AXFR, zone.axfr())
    return secondary
