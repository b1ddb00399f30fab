"""Expands patterns of paths. It lists folders and opens no file.

Each part of a pattern may hold one `{network}` or `{file}`, for any name (`source`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_PLACE = re.compile(r"\{(network|file)\}")


class Folders:
    """Expands patterns, and collects where more may appear and what cannot be listed.

    A folder that cannot be listed holds what it held before: `former`, names by folder.
    """

    def __init__(self, root: Path, former: Mapping[str, list[str]]) -> None:
        self._root = str(root).rstrip("/")
        self._former = former
        self.listed: dict[str, list[str]] = {}
        self.watched: dict[str, set[str]] = {}
        """Folder, there or not -> ends of the names that matter in it."""
        self.denied: set[str] = set()
        """Folders that this process may not list; inotify does not report on them either."""

    def expand(self, pattern: str) -> Iterator[tuple[str, str]]:
        """Each path that is there, and what `{network}` stands for in it, or an empty string."""
        return self._expand(self._root, pattern.strip("/").split("/"), "")

    def _expand(self, folder: str, parts: list[str], network: str) -> Iterator[tuple[str, str]]:
        part, *rest = parts
        before, *place = _PLACE.split(part)
        if not place:
            if rest:
                yield from self._expand(f"{folder}/{part}", rest, network)
            elif self._has(folder, part):
                yield f"{folder}/{part}", network
            return
        kind, after = place
        self.watched.setdefault(folder, set()).add(after)
        for name in self._names(folder):
            stem = _between(name, before, after)
            if stem is not None:
                path, found = f"{folder}/{name}", stem if kind == "network" else network
                yield from self._expand(path, rest, found) if rest else ((path, found),)

    def _has(self, folder: str, name: str) -> bool:
        """Whether it is there; a file can be reached even in a folder that cannot be listed."""
        self.watched.setdefault(folder, set()).add(name)
        return name in self._names(folder) or (
            folder in self.denied and Path(folder, name).exists()
        )

    def _names(self, folder: str) -> list[str]:
        """Sorted, without hidden ones: those files are being written."""
        try:
            names = sorted(n for n in os.listdir(folder) if not n.startswith("."))  # noqa: PTH208 (a Path for each of many names costs more than the call)
        except (FileNotFoundError, NotADirectoryError):
            names = []
        except OSError:
            self.denied.add(folder)
            names = self._former.get(folder, [])
        self.listed[folder] = names
        return names


def _between(name: str, before: str, after: str) -> str | None:
    """What is between the two; None if they do not fit."""
    if not (name.startswith(before) and name.endswith(after)):
        return None
    return name[len(before) : len(name) - len(after)] or None
