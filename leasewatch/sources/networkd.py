"""systemd-networkd's DHCP server: its lease file, one per interface, JSON, replaced by rename.

An object with `Leases` (systemd >= 256, src/libsystemd-network/sd-dhcp-server-lease.c). Addresses
are lists of bytes, times microseconds. `ClientId` is what the client said, hence no MAC;
`HardwareAddress` (257) is the one that the server saw. IPv4 only. The file goes with its last
lease.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from leasewatch.model import Lease, LeaseFile
from leasewatch.sources import fields, json_records
from leasewatch.sources.fields import FieldError
from leasewatch.sources.source import Source

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
    hardware_address_type: int = _ETHERNET
    hardware_address: list[_Octet] = []
    expiration: Annotated[int, msgspec.Meta(ge=0)] = msgspec.field(
        name="ExpirationRealtimeUSec", default=_NEVER
    )


def records(data: bytes, path: str) -> list[bytes]:
    """The objects of `Leases`; raises ParseError."""
    if not data.strip():
        return []
    return [bytes(raw) for raw in json_records.decode(data, _File, path).leases]


def parse_record(record: bytes, file: LeaseFile) -> Lease:
    """The lease of one object; raises ParseError."""
    lease = json_records.decode(record, _Lease, file.path)
    dotted = ".".join(map(str, lease.address)).encode()
    try:
        family, address = fields.address(dotted)
        return Lease(
            source=file.path,
            network=file.network,
            address=address,
            family=family,
            expires=0 if lease.expiration >= _NEVER else lease.expiration // 1_000_000 or 1,
            hwaddr=_hwaddr(lease),
            hostname=fields.or_none(fields.hostname, lease.hostname),
            client_id=_hex(lease.client_id) or None,
        )
    except FieldError as error:
        raise error.at(file) from None


def _hwaddr(lease: _Lease) -> str | None:
    if lease.hardware_address_type != _ETHERNET:
        return None
    return fields.or_none(fields.mac, _hex(lease.hardware_address))


def _hex(octets: list[int]) -> str:
    return ":".join(f"{octet:02x}" for octet in octets)


SOURCE = Source(
    name="networkd",
    leases=("/var/lib/systemd/network/dhcp-server-lease/{network}",),
    bridge="{network}",
    leases_removed=True,
    records=records,
    parse_record=parse_record,
    replaced=True,
)
