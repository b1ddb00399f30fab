"""Files that were found before and are not there now: which of them still count.

A lease holds until it ends or its server takes it back. A file that vanishes takes nothing back: it
may have been moved, or deleted by mistake. It reads no file and decides nothing about leases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from leasewatch.files.reading import Identity, identity


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
        patterns: tuple[str, ...],
        there: Mapping[str, str],
        lasts: Callable[[str, str], bool],
        now: float,
        *,
        removed_after: float | None,
    ) -> dict[str, str]:
        """What is there (path -> what its pattern left open), behind what vanished and counts on.

        `lasts(path, part)` tells whether what vanished may still be true. `removed_after`: the
        program itself removes such a file when it has nothing more to say, which is believed after
        so many seconds; but only in the same folder, for a folder that is gone, or was made anew,
        says nothing. `now` is monotonic.
        """
        folders: dict[Path, Identity] = {}

        def folder(path: str) -> Identity:
            parent = Path(path).parent
            if parent not in folders:
                folders[parent] = identity(parent)
            return folders[parent]

        def counts(path: str, seen: _Seen) -> bool:
            if removed_after is not None and folder(path) == seen.folder:
                return now - seen.at < removed_after
            return lasts(path, seen.part)

        former = self._seen.get(patterns, {})
        kept = {p: seen for p, seen in former.items() if p not in there and counts(p, seen)}
        found = {path: _Seen(part, folder(path), now) for path, part in there.items()}
        self._seen[patterns] = kept | found
        return {path: seen.part for path, seen in self._seen[patterns].items()}
