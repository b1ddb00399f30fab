"""Incus and LXD: dnsmasq's leases, and `dnsmasq.hosts`, the instances' names by MAC.

That folder has a file `[PROJECT_]INSTANCE.DEVICE` for each network card, with one line as for
dnsmasq's dhcp-host: `MAC[,IPV4][,[IPV6]][,NAME]` (Incus: internal/server/dnsmasq). Older LXDs omit
`.DEVICE`. NAME is INSTANCE, or INSTANCE.PROJECT (LXD; Incus before 6.9); both answer. An instance's
name is one label; a project's may contain dots, and in older LXDs underscores. A card without NAME
is on a network whose `dns.mode` is not `managed`, so it gets no name. The files stay while the
instance is stopped, so they do not show whether it runs.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import NamedTuple

from leasewatch.errors import ParseError
from leasewatch.sources import dnsmasq, fields
from leasewatch.sources.source import Files, Owner, OwnerFiles, Source

_MAX_LINE = 1024
_REMOVED_SECONDS = 2.0
"""Incus removes a card's file with the card, but also removes all files to rewrite them."""


class _Instance(NamedTuple):
    key: str
    """`[PROJECT_]INSTANCE`."""
    name: str
    aliases: tuple[str, ...]


def parse_owners(data: bytes, path: str) -> tuple[list[Owner], list[ParseError]]:
    """The card of a dnsmasq.hosts file; raises ParseError if it is incomplete."""
    found = dnsmasq.lines(data)
    if not found:
        raise ParseError(path, 1, "line", "no complete line")
    owners: list[Owner] = []
    errors: list[ParseError] = []
    for number, line in enumerate(found, 1):
        try:
            mac, name = _card(line, path)
        except ParseError as error:
            errors.append(ParseError(path, number, error.field, error.why))
            continue
        instance = _instance(PurePosixPath(path).name, name) if name is not None else None
        if instance is not None:
            owners.append(Owner(instance.key, instance.name, mac, instance.aliases))
    return owners, errors


def _card(line: bytes, path: str) -> tuple[str, str | None]:
    """MAC and NAME."""
    if len(line) > _MAX_LINE:
        raise fields.fault(path, "line", "MAC[,IPV4][,[IPV6]][,NAME]", line)
    first, *rest = line.split(b",")
    mac = fields.mac(first, path)
    if not rest or rest[-1].startswith(b"["):
        return mac, None
    if fields.optional(fields.address, rest[-1], path, []) is not None:
        return mac, None
    if fields.NAME.fullmatch(rest[-1]) is None:
        raise fields.fault(path, "hostname", "printable ASCII", rest[-1])
    return mac, rest[-1].decode("ascii")


def _instance(file: str, name: str) -> _Instance | None:
    """The instance of a card's file; None: it has none, e.g. an editor made the file.

    A name that does not match the file is used unchanged.
    """
    instance, _, project = name.partition(".")
    if not project:
        if _is_of(file, instance):
            return _Instance(instance, instance, ())
        project = f"{file}.".partition(f"_{instance}.")[0]
    key = f"{project}_{instance}"
    if _is_of(file, key):
        return _Instance(key, instance, (f"{instance}.{project}",))
    card = PurePosixPath(file)
    return _Instance(card.stem, name, ()) if card.suffix else None


def _is_of(file: str, key: str) -> bool:
    return file == key or file.startswith(f"{key}.")


def _source(name: str, *folders: str) -> Source:
    networks = [f"{folder}/networks/{{network}}" for folder in folders]
    return dnsmasq.source_of(
        name=name,
        leases=Files(patterns=tuple(f"{net}/dnsmasq.leases" for net in networks)),
        bridges=("{network}",),
        owners=OwnerFiles(
            patterns=tuple(f"{net}/dnsmasq.hosts/{{file}}" for net in networks),
            removed_after=_REMOVED_SECONDS,
            parse=parse_owners,
        ),
    )


SOURCE = _source("incus", "/var/lib/incus")
LXD = _source("lxd", "/var/lib/lxd", "/var/snap/lxd/common/lxd")
