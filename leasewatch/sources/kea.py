"""Kea's memfile lease files: CSV with a header; each change adds a line.

The last line of an address counts (Kea: "Memfile - Basic Storage for Leases", csv_lease_file4 and
6). Newer versions only add columns at the end. The clean-up (kea-lfc) moves the file to `.1`, joins
it with `.2` into `.completed`, and renames that to `.2`. All of these are older than the file. The
hwaddr of a DHCPv6 line may come from the DUID, so it proves nothing and is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from leasewatch.errors import ParseError
from leasewatch.model import Lease, LeaseFile
from leasewatch.sources import fields, kea_parts
from leasewatch.sources.source import Files, Source

_BEGINS: Final = re.compile(rb"address,(?:hwaddr|duid),")
_HEADER4: Final = b"address,hwaddr,client_id,valid_lifetime,expire,subnet_id,"
_HEADER6: Final = b"address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,"
_COLUMNS4: Final = {
    "hwaddr": 1,
    "client_id": 2,
    "lifetime": 3,
    "expire": 4,
    "hostname": 8,
    "state": 9,
}
_COLUMNS6: Final = {
    "client_id": 1,
    "lifetime": 2,
    "expire": 3,
    "kind": 6,
    "iaid": 7,
    "hostname": 11,
    "state": 13,
}
_MAX_LINE: Final = 4096
"""Bytes of the columns that are read."""
_ENDLESS: Final = 0xFFFFFFFF
"""Valid lifetime of a lease that never ends (RFC 2131, RFC 8415)."""
_HOLDS: Final = frozenset({0, 4})
"""States of a valid lease: default, and registered (RFC 9686: the host chose its own address). The
others are declined, expired and reclaimed, released."""
_PREFIX: Final = b"2"
"""Lease type of a delegated prefix (IA_PD)."""
_ESCAPED = re.compile(rb"&#x([0-9A-Fa-f]{2})")


def records(data: bytes, path: str) -> list[bytes]:
    """The last complete line of each address; raises ParseError if the header is unknown."""
    *complete, _unfinished = data.split(b"\n")
    last: dict[bytes, bytes] = {}
    for number, line in enumerate(complete, 1):
        if line.startswith(b"address,"):
            if not line.startswith((_HEADER4, _HEADER6)):
                raise ParseError(path, number, "header", f"not known: {fields.show(line)}")
        elif line and not line.startswith(b"#"):
            last[line.partition(b",")[0]] = line
    return list(last.values())


def parse_record(record: bytes, file: LeaseFile, faults: list[ParseError]) -> Lease | None:
    """The lease of one line; None: it was given back, declined or reclaimed, or is a prefix.

    See `Source.parse_record`.
    """
    read, path = fields.optional, file.path
    address = fields.address(record.partition(b",")[0], path)
    value = _columns(record, _COLUMNS6 if len(address) == 16 else _COLUMNS4, path)
    lifetime = fields.number("valid_lifetime", value["lifetime"], path)
    expires = fields.number("expires", value["expire"], path)
    state = fields.number("state", value["state"] or b"0", path)
    if state not in _HOLDS or not lifetime or value.get("kind") == _PREFIX:
        return None
    return Lease(
        source=path,
        network=file.network,
        address=address,
        expires=0 if lifetime == _ENDLESS else expires,
        hwaddr=read(fields.hwaddr, value.get("hwaddr") or None, path, faults),
        hostname=read(fields.hostname, _hostname(value["hostname"]) or None, path, faults),
        client_id=read(fields.client_id, value["client_id"] or None, path, faults),
        iaid=read(fields.iaid, value.get("iaid"), path, faults),
    )


def _columns(record: bytes, at: Mapping[str, int], path: str) -> dict[str, bytes]:
    count = at["state"] + 1
    columns = record.split(b",", count)[:count]  # a user_context after them may be of any length
    if len(columns) <= at["hostname"] or sum(map(len, columns)) > _MAX_LINE:
        raise fields.fault(path, "line", f"at least {at['hostname'] + 1} columns", record)
    columns += [b""] * (count - len(columns))  # Kea before 1.0 wrote no state
    return {name: columns[index] for name, index in at.items()}


def _hostname(value: bytes) -> bytes:
    """Without Kea's escapes: `&#x2c` is a comma."""
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), value)


SOURCE = Source(
    name="kea",
    leases=Files(patterns=("/var/lib/kea/kea-leases4.csv", "/var/lib/kea/kea-leases6.csv")),
    network="kea",
    begins=_BEGINS,
    records=records,
    parse_record=parse_record,
    reader=kea_parts.reader,
)
