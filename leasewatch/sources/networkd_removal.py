"""systemd-networkd removes its lease file with the last lease: a file that is gone is empty.

That counts only in the folder where the file was. A folder that is gone, or was made anew, says
nothing.
"""

from __future__ import annotations

from pathlib import Path

from leasewatch.files.reading import Identity, Read, identity, read
from leasewatch.sources.source import Reader


def reader(path: str) -> Reader:
    """Reads the file, or nothing once networkd has removed it."""
    return _Reader(path)


class _Reader:
    def __init__(self, path: str) -> None:
        self._path = path
        self._folder: Identity = None
        """Where the file was when it was last read."""

    def __call__(self) -> Read:
        folder = Path(self._path).parent
        try:
            found = read(self._path)
        except FileNotFoundError:
            if self._folder is None or self._folder != identity(folder):
                raise
            return Read(b"", (), torn=False)
        self._folder = identity(folder)
        return found
