"""systemd-networkd's DHCP server: its lease file, one per interface, JSON, replaced by rename.

An object with `Leases` (systemd >= 256, src/libsystemd-network/sd-dhcp-server-lease.c). Addresses
are lists of bytes, times are microseconds. `ClientId` is what the client sent, so it is no MAC;
`HardwareAddress` (257) is what the server saw. IPv4 only. The file is below /var/lib, or with
PersistLeases=runtime (258) below /run. It is removed with its last lease.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from leasewatch.errors import ParseError
from leasewatch.model import Lease, LeaseFile
from leasewatch.sources import fields, json_records, networkd_removal
from leasewatch.sources.source import Files, Source

_Octet = Annotated[int, msgspec.Meta(ge=0, le=255)]
_ETHERNET = 1
_NEVER = (1 << 64) - 1
"""USEC_INFINITY."""


class _File(msgspec.Struct, rename="pascal"):
    leases: list[msgspec.Raw] = []


class _Lease(msgspec.Struct, rename="pascal"):
    address: list[_Octet]
    client_id: list[_Octet] = []
    hostname: str | None = None
    hardware_address_type: _Octet = _ETHERNET
    hardware_address_length: _Octet | None = None
    hardware_address: list[_Octet] = []
    expiration: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(
        name="ExpirationRealtimeUSec", default=_NEVER
    )


_MUST = ("Address", "ExpirationRealtimeUSec")


def records(data: bytes, path: str) -> list[bytes]:
    """The objects of `Leases`; raises ParseError."""
    if not data.strip():
        return []
    return [bytes(raw) for raw in json_records.decode(data, _File, path).leases]


def parse_record(record: bytes, file: LeaseFile, faults: list[ParseError]) -> Lease:
    """The lease of one object; see `Source.parse_record`."""
    read, path = fields.optional, file.path
    lease = json_records.decode_object(record, _Lease, path, faults, _MUST)
    dotted = ".".join(map(str, lease.address)).encode()
    hostname, client_id = fields.encoded(lease.hostname), _hex(lease.client_id) or None
    return Lease(
        source=path,
        network=file.network,
        address=fields.address(dotted, path),
        expires=0 if lease.expiration >= _NEVER else lease.expiration // 1_000_000 or 1,
        hwaddr=read(fields.hwaddr, _hwaddr(lease), path, faults),
        hostname=read(fields.hostname, hostname, path, faults),
        client_id=read(fields.client_id, client_id, path, faults),
    )


def _hwaddr(lease: _Lease) -> bytes | None:
    """In dnsmasq's form. systemd 257 writes 16 bytes; the first `HardwareAddressLength` count."""
    octets, length = lease.hardware_address, lease.hardware_address_length
    if length is not None:
        octets = octets[:length] if length <= len(octets) else []
    if not octets:
        return None
    kind = lease.hardware_address_type
    return _hex(octets) if kind == _ETHERNET else b"%02x-%s" % (kind, _hex(octets))


def _hex(octets: list[int]) -> bytes:
    return b":".join(b"%02x" % octet for octet in octets)


SOURCE = Source(
    name="networkd",
    leases=Files(
        patterns=(
            "/var/lib/systemd/network/dhcp-server-lease/{network}",
            "/run/systemd/netif/dhcp-server-lease/{network}",
        ),
        removed_after=0.0,
    ),
    bridges=("{network}",),
    begins=re.compile(rb"\s*\{"),
    reader=networkd_removal.reader,
    records=records,
    parse_record=parse_record,
    replaced=True,
)
