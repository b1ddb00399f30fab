"""dnsmasq's lease file: bytes to leases. It opens nothing and keeps nothing.

One lease a line, five fields between single spaces (dnsmasq, lease.c):
`expires hwaddr-or-IAID address hostname client-id-or-DUID`. A line tells by itself what it is
(IPv4, DHCPv6, or the server's `duid`), so unchanged lines need never be parsed again.
"""

from __future__ import annotations

from leasewatch.errors import ParseError
from leasewatch.model import Lease, LeaseFile
from leasewatch.sources import fields, source
from leasewatch.sources.fields import FieldError
from leasewatch.sources.source import Source, lines

MAX_LINE = 2048
"""Bytes; the longest true line (255-byte hostname and client id) has about 1,100."""


def parse(data: bytes, file: LeaseFile) -> tuple[list[Lease], list[ParseError]]:
    """Every lease of complete lines, in the file's order, and what is wrong in it.

    Bytes after the last newline are a line still being written and count for nothing.
    """
    return source.parse(SOURCE, data, file)


def parse_line(line: bytes, file: LeaseFile, faults: list[ParseError]) -> Lease | None:
    """The lease of one line (without its newline); None for the server's own `duid` line.

    See `Source.parse_record`.
    """
    if line.startswith(b"duid "):
        return None
    columns = line.split(b" ")
    if len(columns) != 5 or len(line) > MAX_LINE:
        raise ParseError(file.path, 0, "line", f"expected 5 fields, got {fields.show(line)}")
    try:
        family, address = fields.address(columns[2])
        expires = fields.number("expires", columns[0])
    except FieldError as error:
        raise error.at(file) from None
    client, hostname, client_id = (None if columns[i] == b"*" else columns[i] for i in (1, 3, 4))
    mac, iaid = (client, None) if family == 4 else (None, client)
    return Lease(
        source=file.path,
        network=file.network,
        address=address,
        family=family,
        expires=expires,
        hwaddr=fields.optional(fields.hwaddr, mac, file, faults),
        iaid=fields.optional(_iaid, iaid, file, faults),
        hostname=fields.optional(fields.hostname, hostname, file, faults),
        client_id=fields.optional(fields.client_id, client_id, file, faults),
    )


def _iaid(value: bytes) -> int:
    """Decimal, of a temporary address (IA_TA) with a `T` in front."""
    return fields.iaid(value.removeprefix(b"T"))


PYVIRT = Source(name="pyvirt", records=lines, parse_record=parse_line)
SETTINGS = Source(name="settings", records=lines, parse_record=parse_line)
SOURCE = Source(
    name="dnsmasq",
    leases=("/var/lib/misc/dnsmasq.leases",),
    network="dnsmasq",
    records=lines,
    parse_record=parse_line,
)
