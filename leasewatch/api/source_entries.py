"""The state of each source, as the Varlink interface shows it. It reads nothing."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable

from leasewatch.api.interface import SourceEntry
from leasewatch.leases.lease_files import FileState
from leasewatch.sources import registry
from leasewatch.sources.discovery import Problem
from nss_pyvirt.installer.pieces import UNIT, hidden_below

_DENIED = (
    "the service needs CAP_DAC_READ_SEARCH: AmbientCapabilities=CAP_DAC_READ_SEARCH in its unit"
)


def source_entries(
    files: Iterable[FileState], problems: Iterable[Problem], off: Collection[str]
) -> list[SourceEntry]:
    """One entry for each lease file and each problem, and one for each source without any."""
    entries = [_of_file(state) for state in files]
    entries += map(_of_problem, problems)
    there = {entry.source for entry in entries}
    order = list(registry.BY_NAME)
    for name in order:
        if name not in there:
            entries.append(SourceEntry(source=name, state="off" if name in off else "absent"))
    return sorted(entries, key=lambda entry: (order.index(entry.source), entry.path or ""))


def _of_file(state: FileState) -> SourceEntry:
    return SourceEntry(
        source=state.source,
        state="unreadable" if state.unreadable else "watched",
        path=state.file.path,
        network=state.file.network,
        leases=state.leases,
        modified=state.modified,
        error=state.unreadable or state.malformed,
        hint=_hint(state.file.path, state.denied) if state.unreadable else None,
    )


def _of_problem(problem: Problem) -> SourceEntry:
    return SourceEntry(
        source=problem.source,
        state="unreadable",
        path=problem.path,
        error=problem.why,
        hint=_hint(problem.path, problem.denied),
    )


def _hint(path: str, denied: bool) -> str | None:
    """What lets the service read the file, if that is known."""
    if "INVOCATION_ID" in os.environ and (top := hidden_below(path)):  # systemd.exec(5)
        return f"{UNIT} cannot see files below {top}: let the server keep its file in /var/lib/misc"
    return _DENIED if denied else None
