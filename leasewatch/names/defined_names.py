"""The names and aliases of defined domains, running or not; whether they are sound is not asked."""

from __future__ import annotations

from pathlib import Path

import msgspec

from leasewatch.errors import UNDECODABLE, ParseError
from leasewatch.files.small_files import SmallFiles
from leasewatch.files.state_folder import names


class _Definition(msgspec.Struct):
    """What matters here of NAME.toml."""

    aliases: tuple[str, ...] = ()


class DefinedNames:
    """Follows the folder of definitions. What cannot be read proves nothing: it stays as it was."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = SmallFiles[tuple[str, ...]]()
        self._names: set[str] = set()

    def scan(self) -> set[str]:
        """Every name and alias, as it is written."""
        found = names(self._folder, ".toml")
        if found is not None:
            self._names = found.copy()
            for name in found:
                self._names.update(
                    self._files.read(str(self._folder / f"{name}.toml"), _aliases).value or ()
                )
            self._files.forget_others()
        return self._names


def _aliases(data: bytes, path: str) -> tuple[str, ...]:
    try:
        return msgspec.toml.decode(data, type=_Definition).aliases
    except UNDECODABLE as error:
        raise ParseError(path, 0, "aliases", str(error)) from None
