"""The names of the site's other hosts, from the table that the NSS module asks after ours.

The DNS process publishes it: any user can read it, and no service is asked. It says less than a
lease: name, network, host, addresses, and whether the other host's owner gave the name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from leasewatch import addresses, settings
from leasewatch.api.interface import Address, Entry, ResolveReply
from leasewatch.model import Trust
from leasewatch.names import labels
from leasewatch.paths import Paths
from nss_pyvirt import snapshot
from nss_pyvirt.snapshot import Host


class SiteName(NamedTuple):
    """A name of another host: NAME.NETWORK.HOST.vm.SITE, or an owner's NAME.HOST.vm.SITE."""

    name: str
    """Without HOST.vm.SITE."""
    host: str


class Row(NamedTuple):
    """An address of a name of another host."""

    host: str
    full_name: str
    entry: Entry


def resolve(paths: Paths, query: str, now: float) -> ResolveReply | None:
    """What the NSS module answers from the other hosts' table at `now`; None: nothing.

    Raises UserError if the table cannot be read.
    """
    table, site, wanted = paths.peers_snapshot, site_of(paths), addresses.queried(query)
    if wanted is None:
        answer = snapshot.lookup(table, query, now=now)
    else:
        answer = snapshot.lookup_address(table, wanted, now)
    found = split(answer.names[0], site) if answer.status == "found" else None
    if found is None:
        return None
    short, network = _parts(found)
    held = {one.packed for one in answer.addresses}
    owners = snapshot.lookup(table, f"{short}.{found.host}.vm.{site}", now=now)
    is_owners = held.issubset(one.packed for one in owners.addresses)
    trust: Trust = "owner" if is_owners else "guest"
    entries = [_entry(short, network, trust, one.packed, found.host) for one in answer.addresses]
    told = [
        Address(
            address=addresses.text(one.packed),
            family=addresses.family(one.packed),
            network=network,
        )
        for one in answer.addresses
    ]
    return ResolveReply(
        name=answer.names[0],
        aliases=[*answer.names[1:]],
        trust=trust,
        pending_until=None,
        addresses=told,
        candidates=entries,
    )


def rows(paths: Paths) -> Iterator[Row]:
    """Every address of every name of other hosts. Raises UserError if the table cannot be read."""
    site = site_of(paths)
    known: dict[SiteName, Host] = {}
    for record in snapshot.read(paths.peers_snapshot).hosts:
        name = split(record.names[0], site)
        if name is not None:
            known[name] = record
    shorts = {name._replace(name=name.name.rpartition(".")[0]) for name in known}
    for name in known.keys() - shorts:
        yield from _rows(name, known)


def namesakes(paths: Paths, query: str) -> list[Entry]:
    """Names of other hosts that `query` may have meant, as candidates that were refused."""
    wanted = labels.fold(query)
    return [
        msgspec.structs.replace(
            row.entry, verdict="refused", reason=f"on host {row.host} it is {row.full_name}"
        )
        for row in rows(paths)
        if row.entry.name == wanted
    ]


def split(name: str, site: str) -> SiteName | None:
    """The parts of a whole name of the site; None: it is none."""
    below, _, rest = name.rpartition(f".vm.{site}")
    short, _, host = below.rpartition(".")
    return SiteName(short, host) if site and short and not rest else None


def _parts(name: SiteName) -> tuple[str, str]:
    """NAME, and NETWORK or nothing."""
    short, dot, network = name.name.rpartition(".")
    return (short, network) if dot else (network, "")


def _rows(name: SiteName, known: Mapping[SiteName, Host]) -> Iterator[Row]:
    short, network = _parts(name)
    owners = known.get(SiteName(short, name.host))
    held = {one.packed for one in owners.addresses} if owners is not None else set()
    for one in known[name].addresses:
        is_owners = owners is not None and one.packed in held
        trust: Trust = "owner" if is_owners else "guest"
        entry = _entry(short, network, trust, one.packed, name.host)
        if is_owners and owners is not None and short not in owners.names and "." not in short:
            reason = f"{entry.reason}; {short} alone does not answer here"
            entry = msgspec.structs.replace(entry, reason=reason)
        yield Row(name.host, known[name].names[0], entry)


def _entry(name: str, network: str, trust: Trust, address: bytes, host: str) -> Entry:
    return Entry(
        name=name,
        trust=trust,
        verdict="published",
        reason=f"host {host} of this site has it",
        network=network,
        address=addresses.text(address),
        family=addresses.family(address),
    )


def site_of(paths: Paths) -> str:
    """The site of the settings; empty: none."""
    return settings.load(paths.config)[0].dns.site
