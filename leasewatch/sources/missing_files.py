"""Decides which files still count that were found before and are missing now.

A lease holds until it ends or its server removes it. A file that vanishes removes nothing: it
may have been moved, or deleted by mistake. This module reads no file and knows no leases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from leasewatch.files.reading import Identity, identity
from leasewatch.sources.source import Files


class _Seen(NamedTuple):
    part: str
    folder: Identity
    at: float


class MissingFiles:
    """Remembers what was found, by the patterns that found it."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], dict[str, _Seen]] = {}

    def with_former(
        self,
        files: Files,
        there: Mapping[str, str],
        counts: Callable[[str, str], bool],
        now: float,
    ) -> dict[str, str]:
        """The files that are there, behind those that vanished and still count.

        Both map a path to what its pattern left open. `counts(path, part)` says whether a file that
        vanished may still be true. `files.removed_after` applies only in the same folder: a folder
        that is gone, or was recreated, proves nothing. `now` is monotonic.
        """
        folders: dict[Path, Identity] = {}

        def folder(path: str) -> Identity:
            parent = Path(path).parent
            if parent not in folders:
                folders[parent] = identity(parent)
            return folders[parent]

        def still_counts(path: str, seen: _Seen) -> bool:
            if files.removed_after is not None and folder(path) == seen.folder:
                return now - seen.at < files.removed_after
            return counts(path, seen.part)

        former = self._seen.get(files.patterns, {})
        kept = {p: seen for p, seen in former.items() if p not in there and still_counts(p, seen)}
        found = {path: _Seen(part, folder(path), now) for path, part in there.items()}
        self._seen[files.patterns] = kept | found
        return {path: seen.part for path, seen in self._seen[files.patterns].items()}
