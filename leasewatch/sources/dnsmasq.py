"""dnsmasq's lease file: bytes to leases.

One lease a line, five fields between single spaces (dnsmasq, lease.c):
`expires hwaddr-or-IAID address hostname client-id-or-DUID`. A line shows by itself whether it is
IPv4, DHCPv6 or a note, so unchanged lines are never parsed again.

A note starts with a word: the server's own `duid HEX`, and with --leasequery (2.92) also
`vendorclass ADDRESS HEX` and `agent-info ADDRESS HEX`. Unknown notes of this shape are ignored,
because later versions may add some. Any other text is a fault.
"""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from leasewatch.errors import ParseError
from leasewatch.model import Lease, LeaseFile
from leasewatch.sources import fields, source
from leasewatch.sources.source import Files, Source

_NOTE = re.compile(rb"[a-z][a-z0-9-]{2,31}(?: [0-9A-Fa-f:.]+)+")
"""A word, then addresses, numbers or bytes in hex."""
_DUID = re.compile(rb"^duid (\S+)\n", re.MULTILINE)
_NONE = b"*"
MAX_LINE = 2048
"""Bytes; the longest true line (255-byte hostname and client id) has about 1,100."""


class Columns(NamedTuple):
    """The five fields of a lease's line, unchecked."""

    expires: bytes
    hwaddr: bytes
    """The MAC address; for DHCPv6 the IAID."""
    address: bytes
    hostname: bytes
    client_id: bytes
    """The client id; for DHCPv6 the DUID."""

    @property
    def is_ipv4(self) -> bool:
        """Whether it is an IPv4 lease."""
        return b":" not in self.address


def columns(line: bytes) -> Columns | None:
    """The fields of a line without its newline; None: it is no lease's."""
    found = line.split(b" ")
    return Columns(*found) if len(found) == 5 and len(line) <= MAX_LINE else None


def lines(data: bytes, _path: str = "") -> list[bytes]:
    """Every complete line; what follows the last newline is still being written."""
    return data.split(b"\n")[:-1]


def server_duid(lease_file: bytes) -> bytes | None:
    """The server's DUID in hex with colons, from a note in its lease file; None: there is none."""
    found = _DUID.search(lease_file)
    return found[1] if found else None


def parse(data: bytes, file: LeaseFile) -> tuple[list[Lease], list[ParseError]]:
    """Every lease of complete lines, in the file's order, and what is wrong in it.

    Bytes after the last newline are a line still being written and count for nothing.
    """
    return source.parse(SOURCE, data, file)


def parse_line(line: bytes, file: LeaseFile, faults: list[ParseError]) -> Lease | None:
    """The lease of one line (without its newline); None for a note.

    See `Source.parse_record`.
    """
    if not line[:1].isdigit() and _NOTE.fullmatch(line):
        return None
    found = columns(line)
    if found is None:
        raise ParseError(file.path, 0, "line", f"expected 5 fields, got {fields.show(line)}")
    end, client, place, hostname, client_id = found
    read, path = fields.optional, file.path
    address = fields.address(place, path)
    is_ipv4 = len(address) == 4
    return Lease(
        source=path,
        network=file.network,
        address=address,
        expires=fields.number("expires", end, path),
        hwaddr=read(fields.hwaddr, client, path, faults) if is_ipv4 and client != _NONE else None,
        iaid=read(_iaid, client, path, faults) if not is_ipv4 else None,
        hostname=read(fields.hostname, hostname, path, faults) if hostname != _NONE else None,
        client_id=read(fields.client_id, client_id, path, faults) if client_id != _NONE else None,
    )


def _iaid(value: bytes, path: str) -> int:
    """Decimal, of a temporary address (IA_TA) with a `T` in front."""
    return fields.iaid(value.removeprefix(b"T"), path)


source_of = partial(Source, records=lines, parse_record=parse_line, by_line=True)
"""Any source whose lease files are dnsmasq's."""
PYVIRT = source_of(name="pyvirt")
SETTINGS = source_of(name="settings", begins=re.compile(rb"[0-9]+ |[a-z][a-z0-9-]+ [0-9A-Fa-f]"))
SOURCE = source_of(
    name="dnsmasq",
    leases=Files(patterns=("/var/lib/misc/dnsmasq.leases",)),
    network="dnsmasq",
)
