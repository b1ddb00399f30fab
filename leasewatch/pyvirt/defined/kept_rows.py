"""What lists show of definitions, without what takes long to import: msgspec and TOML.

What a definition says is kept in a file of root's, beside the signature of the definition's file.
Only definitions that have changed since are read and checked again.
"""

from __future__ import annotations

import os
import time

from leasewatch.paths import Paths
from nss_pyvirt import light_json

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from typing import Any, Final

    Row = dict[str, Any]

SETTLED: Final = 2.0
"""Seconds for which a file must stand still: it could change again within its time stamp."""


class KeptRows:
    """The rows of all definitions of a `kind`, "network" or "domain", below one root.

    `keys`: of a row, in its order.
    """

    def __init__(self, paths: Paths, kind: str, keys: tuple[str, ...]) -> None:
        self._paths, self._keys = paths, keys
        self._folder = paths.text(f"{kind}_definitions")
        self._file = paths.text(f"{kind}_list")
        self._kept: dict[str, tuple[list[int], Row]] = light_json.read(self._file) or {}
        self._fresh: dict[str, tuple[list[int], Row]] = {}

    def _read(self, name: str) -> Row:
        """Make the row of a definition; raises UserError."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """All defined names."""
        try:
            files = os.listdir(self._folder)  # noqa: PTH208  start-up time
        except OSError:
            return []
        return [file[:-5] for file in files if file.endswith(".toml") and file[0] != "."]

    def row(self, name: str) -> Row:
        """What the definition says; raises UserError."""
        try:
            there = os.stat(f"{self._folder}/{name}.toml")  # noqa: PTH116  start-up time
            signature = [there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns]
            since = there.st_ctime
        except (OSError, ValueError):
            signature, since = [], time.time()
        former, row = self._kept.get(name, (None, {}))
        if former == signature and tuple(row) == self._keys:
            return row
        row = self._read(name)
        if since < time.time() - SETTLED:
            self._fresh[name] = signature, row
        return row

    def keep(self) -> None:
        """Keep what had to be read, for the next time; only root may."""
        if not self._fresh or os.geteuid() != 0:
            return
        import json  # noqa: PLC0415  start-up time
        from pathlib import Path  # noqa: PLC0415  start-up time

        from nss_pyvirt import replacing  # noqa: PLC0415  start-up time

        names = set(self.names())
        kept = {name: row for name, row in (self._kept | self._fresh).items() if name in names}
        try:
            replacing.replace(Path(self._file), json.dumps(kept).encode())
        except OSError:
            return  # the next one reads them, too
