"""Answers without the service: from the table that it published last, and from the lease files.

The same replies as the service's; the table says what programs are told, the files add what it
does not hold (MACs, client ids). Changes nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Final, TypeVar

from leasewatch import addresses, settings
from leasewatch.api import published
from leasewatch.api.client import NoSuchNameError
from leasewatch.api.interface import (
    EventsReply,
    HistoryReply,
    ListReply,
    ResolveReply,
    answer_address,
)
from leasewatch.daemon import alive
from leasewatch.files import run_states
from leasewatch.history.reader import HistoryReader
from leasewatch.history.rows import HistoryParameters
from leasewatch.model import DomainState, HostAddress, HostRecord, Lease, LeaseFile, NetworkState
from leasewatch.names import labels
from leasewatch.paths import Paths
from leasewatch.sources.discovery import Discovery, Found
from leasewatch.sources.registry import LeaseReader
from leasewatch.sources.source import parse
from nss_pyvirt import snapshot
from nss_pyvirt.errors import UserError
from nss_pyvirt.installer.pieces import start_command

HISTORY_SECONDS: Final = 120.0
"""How long the history's file may take to answer."""
_T = TypeVar("_T")


def list_entries(paths: Paths, now: float) -> ListReply:
    """Every candidate that can be told; the generation is 0 where no table is published."""
    generation, hosts = 0, list[HostRecord]()
    if paths.snapshot.exists():
        table = snapshot.read(paths.snapshot)
        generation, hosts = table.generation, list(_records(paths, table))
    found = list(published.entries(hosts, _leases(paths), now))
    return ListReply(entries=found, generation=generation)


def resolve(paths: Paths, query: str, now: float) -> ResolveReply:
    """What the NSS module answers now, and a name's link-local addresses beside better ones.

    Raises NoSuchNameError, or UserError without a table.
    """
    if not paths.snapshot.exists():
        raise UserError("no names are published", start_command(), "unavailable")
    wanted = addresses.queried(query)
    if wanted is None:
        answer = snapshot.lookup(paths.snapshot, query, now=now)
    else:
        answer = snapshot.lookup_address(paths.snapshot, wanted, now)
    hosts = list(_records(paths, snapshot.read(paths.snapshot)))
    entries = list(published.entries(hosts, _leases(paths), now))
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
    return ResolveReply(
        name=record.names[0],
        aliases=list(record.names[1:]),
        trust=record.trust,
        pending_until=record.pending_until or None,
        addresses=[answer_address(address) for address in shown],
        candidates=candidates,
    )


def history(paths: Paths, asked: HistoryParameters) -> HistoryReply:
    """Who held which address when, for those who may read the file; raises UserError."""

    def look() -> HistoryReply:
        pages = HistoryReader(paths.history).holdings(asked)
        return HistoryReply(holdings=[row for page in pages for row in page])

    with _as_owner(paths.history):
        return _in_time(paths.history, look)


def events(paths: Paths, asked: HistoryParameters) -> EventsReply:
    """What happened, likewise."""

    def look() -> EventsReply:
        pages = HistoryReader(paths.history).events(asked)
        return EventsReply(events=[row for page in pages for row in page])

    with _as_owner(paths.history):
        return _in_time(paths.history, look)


def _in_time(path: Path, look: Callable[[], _T]) -> _T:
    """What `look` returns or raises; UserError where it takes too long.

    In a thread, because the file's owner may put a FIFO into its place at any moment, and no signal
    ends SQLite's wait for that.
    """
    answer: Future[_T] = Future()

    def run() -> None:
        try:
            answer.set_result(look())
        except BaseException as error:  # noqa: BLE001  it is raised there
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return answer.result(HISTORY_SECONDS)
    except TimeoutError:
        what = f"{path} has not answered within {HISTORY_SECONDS:g} s"
        raise UserError(what, "ask for less: --since, --limit", "timeout") from None


@contextlib.contextmanager
def _as_owner(path: Path) -> Iterator[None]:
    """Be the folder's owner instead of root: what SQLite puts there must be the service's.

    The owner may put there what it likes, a link to another's file for example.
    """
    try:
        path.lstat()
        owner = path.parent.stat()
    except FileNotFoundError:
        raise UserError(
            f"no history yet: {path} does not exist", start_command(), "unavailable"
        ) from None
    except OSError as error:
        raise UserError(
            f"{path}: {error.strerror}", "run it with sudo, or start the service", "unavailable"
        ) from None
    before = os.getegid(), os.geteuid()
    if before[1] == 0:
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        if os.geteuid() != before[1]:
            os.seteuid(before[1])
            os.setegid(before[0])


def _lasts(address: HostAddress, now: float) -> bool:
    return address.expires is None or address.expires > now


def _records(paths: Paths, table: snapshot.Snapshot) -> Iterator[HostRecord]:
    """The hosts of the table. It holds neither trust nor networks: they are told from elsewhere."""
    started = run_states.read_all(paths.domain_runs, DomainState)
    domains = [
        *(domain for domain in started if alive.is_alive(domain.pid, domain.born)),
        *_found(paths).domains,
        *settings.load(paths.config)[0].hosts(),
    ]
    running = {domain.name.lower() for domain in domains}
    networks = {lease.address: lease.network for lease in _leases(paths)}
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
            trust="owner" if running & set(host.names) else "guest",
            pending_until=host.pending_until,
        )


def _leases(paths: Paths) -> Iterator[Lease]:
    """What the lease files say that may be read; one that is being rewritten may lack lines."""
    for file in _found(paths).lease_files:
        with contextlib.suppress(OSError):
            reader = LeaseReader(file)
            data = reader.read().data
            yield from parse(reader.source, data, file)[0]


def _found(paths: Paths) -> Found:
    """What is there, as far as this process may look."""
    known = [
        LeaseFile(path=state.lease_file, network=state.name, suffix=state.suffix, kind="pyvirt")
        for state in run_states.read_all(paths.network_runs, NetworkState)
    ]
    found, _ = settings.load(paths.config)
    return Discovery(paths.root, holds=lambda _path: False).scan(
        [*known, *found.lease_files()], found.names.suffix, found.off(), 0.0
    )
