"""The messages of `Records`: published names as others copy them, and back to our values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

import msgspec

from leasewatch import addresses
from leasewatch.api.interface import Address, answer_address
from leasewatch.model import HostAddress, HostRecord, Trust


class Record(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What some names answer."""

    names: Annotated[list[str], "the canonical one first; lower case, no final dot"]
    trust: Annotated[Trust, "who vouches for the names: owner or guest"]
    addresses: Annotated[list[Address], "the best first"]
    pending_until: Annotated[
        int | None,
        "Unix seconds; until then a domain that was started may get an address of the families in"
        " awaited; null: it is not pending",
    ] = None
    awaited: Annotated[list[Literal[4, 6]], "4 or 6"] = []


class NamedRecords(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A decided name, and what it answers."""

    name: str
    records: Annotated[
        list[Record],
        "the bare name's first, then those of longer names alone; none: it answers no more",
    ]


class RecordNetwork(msgspec.Struct, frozen=True, kw_only=True):
    """A network. Its hosts are NAME.NETWORK.SUFFIX."""

    VARLINK: ClassVar[str] = "Network"

    name: str
    suffix: str
    prefixes: Annotated[list[str], "CIDRs of its bridges; none: not known"]
    shared: Annotated[bool, "whether other hosts share its link, so that guests are the same"] = (
        False
    )


class RecordsReply(msgspec.Struct, frozen=True, kw_only=True):
    """Reply of `Records`."""

    names: Annotated[list[NamedRecords], "those that are there, and later those that changed"]
    networks: Annotated[list[RecordNetwork] | None, "null: as before"] = None
    blocked: Annotated[
        list[str] | None,
        "names that no other host may have here: the host's own, reserved ones and those of"
        " defined domains; null: as before",
    ] = None
    synced: Annotated[
        bool, "false: more names follow; a name that was in no reply when it is true is unknown"
    ]


def named_records(name: str, records: Iterable[HostRecord], zone: str = "") -> NamedRecords:
    """A decided name with its records as the interface shows them, without the names in `zone`.

    That is this host's zone HOST.vm.SITE, which its readers make themselves.
    """
    tail = f".{zone}"
    shown = [
        Record(
            names=[one for one in record.names if not zone or not one.endswith(tail)],
            trust=record.trust,
            addresses=list(map(answer_address, record.addresses)),
            pending_until=record.pending_until or None,
            awaited=list(record.awaited),
        )
        for record in records
    ]
    return NamedRecords(name=name, records=shown)


def host_record(record: Record) -> HostRecord:
    """The other way round; raises ValueError if an address is none."""
    return HostRecord(
        names=tuple(record.names),
        addresses=tuple(
            HostAddress(
                address=addresses.parse(one.address),
                expires=one.expires or 0,
                network=one.network,
                ifindex=one.ifindex,
                origin=one.origin,
            )
            for one in record.addresses
        ),
        trust=record.trust,
        pending_until=record.pending_until or 0,
        awaited=tuple(record.awaited),
    )
