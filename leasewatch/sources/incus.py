"""Incus and LXD: dnsmasq's leases, and `dnsmasq.hosts`, the instances' names by MAC.

That folder holds a file `[PROJECT_]INSTANCE.DEVICE` for each network card, with one line of
dnsmasq's dhcp-host form, `MAC[,IPV4][,[IPV6]][,NAME]` (Incus: internal/server/dnsmasq). Older LXDs
leave `.DEVICE` out. A card that has no NAME there belongs to a network with `dns.mode` other than
`managed`: nobody names it. The files stay while the instance is stopped, so they do not tell
whether it runs.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from leasewatch.errors import ParseError
from leasewatch.sources import dnsmasq, fields
from leasewatch.sources.fields import FieldError
from leasewatch.sources.source import Owner, Source, lines

_MAX_LINE = 1024


def parse_owners(data: bytes, path: str) -> tuple[list[Owner], list[ParseError]]:
    """The card of a dnsmasq.hosts file; raises ParseError where it is still being written."""
    found = lines(data, path)
    if not found:
        raise ParseError(path, 1, "line", "no complete line")
    card = PurePosixPath(path)
    owners: list[Owner] = []
    errors: list[ParseError] = []
    for number, line in enumerate(found, 1):
        try:
            owner = _owner(card.stem, line)
        except FieldError as error:
            errors.append(error.at(path, number))
        else:
            if owner is not None and (card.suffix or card.stem.rpartition("_")[2] == owner.name):
                owners.append(owner)  # else: no instance's file, but what an editor puts there
    return owners, errors


def _owner(key: str, line: bytes) -> Owner | None:
    if len(line) > _MAX_LINE:
        raise FieldError("line", "MAC[,IPV4][,[IPV6]][,NAME]", line)
    first, *rest = line.split(b",")
    mac = fields.mac(first)
    if not rest or rest[-1].startswith(b"[") or _is_ipv4(rest[-1]):
        return None
    name = fields.name(rest[-1])
    return Owner(key, name, mac)


def _is_ipv4(value: bytes) -> bool:
    """Instances' names hold no dots."""
    return value.count(b".") == 3


def _source(name: str, *folders: str) -> Source:
    return Source(
        name=name,
        leases=tuple(f"{folder}/networks/{{network}}/dnsmasq.leases" for folder in folders),
        bridge="{network}",
        records=lines,
        parse_record=dnsmasq.parse_line,
        owners=tuple(f"{folder}/networks/{{network}}/dnsmasq.hosts/{{file}}" for folder in folders),
        parse_owners=parse_owners,
        owners_removed=True,
    )


SOURCE = _source("incus", "/var/lib/incus")
LXD = _source("lxd", "/var/lib/lxd", "/var/snap/lxd/common/lxd")
