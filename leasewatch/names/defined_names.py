"""The names and aliases of defined domains, running or not. They are not checked."""

from __future__ import annotations

from pathlib import Path

import msgspec

from leasewatch.errors import UNDECODABLE, ParseError
from leasewatch.files.run_states import names
from leasewatch.files.small_files import SmallFiles


class _Definition(msgspec.Struct):
    """The part of NAME.toml that matters here."""

    aliases: tuple[str, ...] = ()


class DefinedNames:
    """Reads the folder of definitions. A file that cannot be read keeps its last value."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = SmallFiles[tuple[str, ...]]()
        self._names: set[str] = set()

    def scan(self) -> set[str]:
        """Each name and alias, as written."""
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
