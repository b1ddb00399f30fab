"""dnsmasq's lease file: bytes to leases. It opens nothing and keeps nothing.

One lease a line, five fields between single spaces (dnsmasq, lease.c):
`expires hwaddr-or-IAID address hostname client-id-or-DUID`. A line tells by itself what it is
(IPv4, DHCPv6, or the server's `duid`), so unchanged lines need never be parsed again.
"""

from __future__ import annotations

import re

from leasewatch.errors import ParseError
from leasewatch.model import Lease, LeaseFile
from leasewatch.sources import fields
from leasewatch.sources.fields import FieldError
from leasewatch.sources.source import Source, lines

MAX_LINE = 2048
"""Bytes; the longest true line (255-byte hostname and client id) has about 1,100."""

_IAID = re.compile(rb"T?([0-9]{1,10})")


def parse(data: bytes, file: LeaseFile) -> tuple[list[Lease], list[ParseError]]:
    """Every lease of complete lines, in the file's order, and what is wrong with the other lines.

    Bytes after the last newline are a line still being written and count for nothing.
    """
    leases: list[Lease] = []
    errors: list[ParseError] = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            lease = parse_line(line, file, number)
        except ParseError as error:
            errors.append(error)
        else:
            if lease is not None:
                leases.append(lease)
    return leases, errors


def parse_line(line: bytes, file: LeaseFile, number: int = 0) -> Lease | None:
    """The lease of one line (without its newline); None for the server's own `duid` line.

    Raises `ParseError` with `number` as its line, whatever the bytes are.
    """
    if line.startswith(b"duid "):
        return None
    columns = line.split(b" ")
    if len(columns) != 5 or len(line) > MAX_LINE:
        raise ParseError(file.path, number, "line", f"expected 5 fields, got {fields.show(line)}")
    expires, client, address, hostname, client_id = columns
    try:
        family, text = fields.address(address)
        return Lease(
            source=file.path,
            network=file.network,
            address=text,
            family=family,
            expires=fields.number("expires", expires),
            hwaddr=fields.hwaddr(client) if family == 4 and client != b"*" else None,
            iaid=_iaid(client) if family == 6 else None,
            hostname=fields.hostname(hostname) if hostname != b"*" else None,
            client_id=fields.client_id(client_id) if client_id != b"*" else None,
        )
    except FieldError as error:
        raise error.at(file, number) from None


def _iaid(value: bytes) -> int:
    match = _IAID.fullmatch(value)
    if match is None or int(match[1]) > 0xFFFFFFFF:
        raise FieldError("IAID", "a 32-bit decimal number, `T` in front for IA_TA", value)
    return int(match[1])


PYVIRT = Source(name="pyvirt", records=lines, parse_record=parse_line)
SETTINGS = Source(name="settings", records=lines, parse_record=parse_line)
SOURCE = Source(
    name="dnsmasq",
    leases=("/var/lib/misc/dnsmasq.leases",),
    network="dnsmasq",
    records=lines,
    parse_record=parse_line,
)
