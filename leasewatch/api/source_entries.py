"""The state of each source, as the Varlink interface shows it. It reads nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from leasewatch.api.interface import SourceEntry
from leasewatch.leases.lease_files import FileState
from leasewatch.sources import registry
from leasewatch.sources.discovery import Problem
from nss_pyvirt.installer import sandbox

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
    error, hint = state.unreadable or state.malformed, None
    if state.unreadable:
        error, hint = _why(state.file.path, state.unreadable, state.denied)
    return SourceEntry(
        source=state.source,
        state="unreadable" if state.unreadable else "watched",
        path=state.file.path,
        network=state.file.network,
        leases=state.leases,
        modified=state.modified,
        error=error,
        hint=hint,
    )


def _of_problem(problem: Problem) -> SourceEntry:
    error, hint = _why(problem.path, problem.why, problem.denied)
    return SourceEntry(
        source=problem.source, state="unreadable", path=problem.path, error=error, hint=hint
    )


def _why(path: str, error: str, denied: bool) -> tuple[str, str | None]:
    """Why the file cannot be read, and what lets the service read it, if that is known."""
    if sandbox.is_inside() and sandbox.hides(path):
        return sandbox.CANNOT_SEE, sandbox.hint(path)
    return error, _DENIED if denied else None
