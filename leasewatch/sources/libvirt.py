"""libvirt's dnsmasq helper files: bytes to leases, domains by MAC, and networks by bridge.

BRIDGE.status is a list of leases that the helper wrote at each event of dnsmasq; BRIDGE.macs lists
the running domains and their cards; NETWORK.conf is dnsmasq's configuration, which names the
bridge (libvirt: src/network/leaseshelper.c, src/util/virmacmap.c). All are replaced by rename. The
`mac-address` is what dnsmasq saw, for DHCPv6 too: never the guest's DUID.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from leasewatch.errors import ParseError
from leasewatch.model import Lease, LeaseFile
from leasewatch.sources import fields, json_records
from leasewatch.sources.fields import FieldError
from leasewatch.sources.source import Owner, Source

_BRIDGE = re.compile(rb"^interface=([!-~]{1,15})$", re.MULTILINE)


class _Entry(msgspec.Struct, rename="kebab"):
    ip_address: str
    expiry_time: Annotated[int, msgspec.Meta(ge=0, lt=10**18)] = 0
    mac_address: str | None = None
    hostname: str | None = None
    client_id: str | None = None
    iaid: str | None = None


class _Domain(msgspec.Struct):
    domain: str
    macs: list[str] = []


def parse_record(record: bytes, file: LeaseFile) -> Lease:
    """The lease of one object of a .status file; raises ParseError."""
    entry = json_records.decode(record, _Entry, file.path)
    try:
        family, address = fields.address(_bytes(entry.ip_address))
        return Lease(
            source=file.path,
            network=file.network,
            address=address,
            family=family,
            expires=entry.expiry_time,
            hwaddr=fields.or_none(fields.hwaddr, entry.mac_address),
            hostname=fields.or_none(fields.hostname, entry.hostname),
            client_id=fields.or_none(fields.client_id, entry.client_id),
            iaid=fields.iaid(_bytes(entry.iaid)) if family == 6 and entry.iaid else None,
        )
    except FieldError as error:
        raise error.at(file) from None


def parse_owners(data: bytes, path: str) -> tuple[list[Owner], list[ParseError]]:
    """The cards of a .macs file; raises ParseError where it is no list at all."""
    owners: list[Owner] = []
    errors: list[ParseError] = []
    for record in json_records.split(data, path):
        try:
            entry = json_records.decode(record, _Domain, path)
            macs = [fields.mac(_bytes(mac)) for mac in entry.macs]
        except FieldError as error:
            errors.append(error.at(path))
        except ParseError as error:
            errors.append(error)
        else:
            owners += (Owner(entry.domain, entry.domain, mac) for mac in macs)
    return owners, errors


def parse_name(data: bytes, path: str) -> str:
    """The bridge that a NETWORK.conf serves; raises ParseError."""
    found = _BRIDGE.search(data)
    if found is None:
        raise ParseError(path, 0, "interface", "no line tells it")
    return found[1].decode("ascii")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


SOURCE = Source(
    name="libvirt",
    leases=("/var/lib/libvirt/dnsmasq/{network}.status",),
    bridge="{network}",
    records=json_records.split,
    parse_record=parse_record,
    replaced=True,
    owners=("/var/lib/libvirt/dnsmasq/{network}.macs",),
    parse_owners=parse_owners,
    owners_run=True,
    names=("/var/lib/libvirt/dnsmasq/{network}.conf",),
    parse_name=parse_name,
)
