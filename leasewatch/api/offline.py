"""Answers without the service: from the table that it last published, and from the lease files.

The replies are the service's. The table says what programs get; the lease files add what it
does not hold, such as MACs and client ids. Nothing is changed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from leasewatch import addresses, settings
from leasewatch.api import published
from leasewatch.api.client import NoSuchNameError
from leasewatch.api.interface import ListReply, ResolveReply, resolve_reply
from leasewatch.files import run_states
from leasewatch.model import DomainState, HostAddress, HostRecord, Lease, LeaseFile, NetworkState
from leasewatch.names import labels
from leasewatch.paths import Paths
from leasewatch.sources import registry
from leasewatch.sources.discovery import Discovery
from leasewatch.sources.source import parse
from nss_pyvirt import snapshot
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer.pieces import start_command


class _Files(NamedTuple):
    """What this process may read of the host's lease files, run states and settings."""

    leases: Sequence[Lease]
    owned: set[str]
    """The names that the host's owner gave, in lower case."""


def list_entries(paths: Paths, now: float) -> ListReply:
    """Every candidate that is known; the generation is 0 if no table is published."""
    files = _read(paths)
    generation, hosts = 0, list[HostRecord]()
    if paths.snapshot.exists():
        table = snapshot.read(paths.snapshot)
        generation, hosts = table.generation, list(_records(table, files))
    found = list(published.entries(hosts, files.leases, now))
    return ListReply(entries=found, generation=generation)


def resolve(paths: Paths, query: str, now: float) -> ResolveReply:
    """What the NSS module answers now, and a name's link-local addresses even after better ones.

    Raises NoSuchNameError, or UserError without a table.
    """
    if not paths.snapshot.exists():
        raise UserError("no names are published", start_command(), "unavailable")
    wanted = addresses.queried(query)
    if wanted is None:
        answer = snapshot.lookup(paths.snapshot, query, now=now)
    else:
        answer = snapshot.lookup_address(paths.snapshot, wanted, now)
    files = _read(paths)
    hosts = list(_records(snapshot.read(paths.snapshot), files))
    entries = list(published.entries(hosts, files.leases, now))
    asked = addresses.text(wanted) if wanted else labels.fold(query)
    asked = answer.names[0] if answer.names else asked
    candidates = [e for e in entries if asked in {e.name, e.hostname, e.address}]
    record = next((host for host in hosts if asked in host.names), None)
    if record is None or answer.status not in {"found", "not yet"}:
        raise NoSuchNameError(query, candidates)
    told = {address.packed for address in answer.addresses}
    shown = [
        address
        for address in record.addresses
        if address.address in told or (wanted is None and address.ifindex and _lasts(address, now))
    ]
    return resolve_reply(record, shown, candidates)


def _lasts(address: HostAddress, now: float) -> bool:
    return address.expires is None or address.expires > now


def _records(table: snapshot.Snapshot, files: _Files) -> Iterator[HostRecord]:
    """The hosts of the table. It holds neither trust nor networks: the files add them."""
    networks = {lease.address: lease.network for lease in files.leases}
    for host in table.hosts:
        yield HostRecord(
            names=host.names,
            addresses=tuple(
                HostAddress(
                    address=address.packed,
                    expires=address.expires,
                    network=networks.get(address.packed, ""),
                    ifindex=address.ifindex,
                    origin="lease" if address.packed in networks else None,
                )
                for address in host.addresses
            ),
            trust="owner" if files.owned & set(host.names) else "guest",
            pending_until=host.pending_until,
        )


def _read(paths: Paths) -> _Files:
    found, _ = settings.load(paths.config)
    known = [
        LeaseFile(path=state.lease_file, network=state.name, suffix=state.suffix, kind="pyvirt")
        for state in run_states.read_all(paths.network_runs, NetworkState)
        if state.lease_file
    ]
    discovered = Discovery(paths.root, holds=lambda _path: False).scan(
        [*known, *found.lease_files()], found.names.suffix, found.off(), 0.0
    )
    running = run_states.named(run_states.read_all(paths.domain_runs, DomainState))
    owned = {d.name.lower() for d in (*running, *discovered.domains, *found.hosts())}
    return _Files([lease for file in discovered.lease_files for lease in _leases(file)], owned)


def _leases(file: LeaseFile) -> Sequence[Lease]:
    """None of a file that cannot be read; one that is being rewritten may lack lines."""
    with contextlib.suppress(OSError):
        source = registry.BY_NAME[file.kind]
        if file.kind == registry.TOLD_BY_CONTENT:
            source = registry.told_by(source.reader(file.path)(b"").data) or source
        return parse(source, source.reader(file.path)(b"").data, file)[0]
    return []
