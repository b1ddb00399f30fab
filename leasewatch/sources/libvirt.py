"""libvirt's dnsmasq helper files: bytes to leases, domains by MAC, and networks by bridge.

- BRIDGE.status lists the leases. The helper rewrites it at each event of dnsmasq. `mac-address` is
  the MAC that dnsmasq saw, for DHCPv6 too.
- BRIDGE.macs lists the running domains and their cards.
- NETWORK.conf is dnsmasq's configuration, which names the bridge.

All are replaced by rename (libvirt: src/network/leaseshelper.c, src/util/virmacmap.c).
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from leasewatch.errors import ParseError
from leasewatch.model import Lease, LeaseFile
from leasewatch.sources import fields, json_records
from leasewatch.sources.source import Files, NameFiles, Owner, OwnerFiles, Source

_FOLDER = "/var/lib/libvirt/dnsmasq"
_BRIDGE = re.compile(rb"^interface=([!-~]{1,15})$", re.MULTILINE)


class _Entry(msgspec.Struct, rename="kebab"):
    ip_address: str
    expiry_time: Annotated[int, msgspec.Meta(ge=0, lt=10**18)] = 0
    mac_address: str | None = None
    hostname: str | None = None
    client_id: str | None = None
    iaid: str | None = None


_MUST = ("ip-address", "expiry-time")


class _Domain(msgspec.Struct):
    domain: str
    macs: list[msgspec.Raw] = []


def parse_record(record: bytes, file: LeaseFile, faults: list[ParseError]) -> Lease:
    """The lease of one object of a .status file; see `Source.parse_record`."""
    read, path = fields.optional, file.path
    entry = json_records.decode_object(record, _Entry, path, faults, _MUST)
    address = fields.address(fields.encoded(entry.ip_address) or b"", path)
    mac, iaid = fields.encoded(entry.mac_address), fields.encoded(entry.iaid)
    hostname, client_id = fields.encoded(entry.hostname), fields.encoded(entry.client_id)
    return Lease(
        source=path,
        network=file.network,
        address=address,
        expires=entry.expiry_time,
        hwaddr=read(fields.hwaddr, mac, path, faults),
        hostname=read(fields.hostname, hostname, path, faults),
        client_id=read(fields.client_id, client_id, path, faults),
        iaid=read(fields.iaid, iaid if len(address) == 16 else None, path, faults),
    )


def parse_owners(data: bytes, path: str) -> tuple[list[Owner], list[ParseError]]:
    """The cards of a .macs file; raises ParseError if it is not a list."""
    owners: list[Owner] = []
    errors: list[ParseError] = []
    for record in json_records.split(data, path):
        try:
            entry = json_records.decode(record, _Domain, path)
        except ParseError as error:
            errors.append(error)
            continue
        for raw in entry.macs:
            try:
                mac = json_records.decode(bytes(raw), str, path)
                owners.append(Owner(entry.domain, entry.domain, fields.mac(mac.encode(), path)))
            except ParseError as error:
                errors.append(error)
    return owners, errors


def parse_name(data: bytes, path: str) -> str:
    """The bridge that a NETWORK.conf serves; raises ParseError."""
    found = _BRIDGE.search(data)
    if found is None:
        raise ParseError(path, 0, "interface", "there is no such line")
    return found[1].decode("ascii")


SOURCE = Source(
    name="libvirt",
    leases=Files(patterns=(f"{_FOLDER}/{{network}}.status",)),
    bridges=("{network}",),
    begins=re.compile(rb"\s*\["),
    records=json_records.split,
    parse_record=parse_record,
    replaced=True,
    owners=OwnerFiles(
        patterns=(f"{_FOLDER}/{{network}}.macs",),
        parse=parse_owners,
        first_lease_seconds=60,
    ),
    names=NameFiles(patterns=(f"{_FOLDER}/{{network}}.conf",), parse=parse_name),
)
