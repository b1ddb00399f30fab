"""Kea's lease file is read with the parts that its clean-up moved aside in front of it.

kea-lfc moves the file to `.1`, joins it with `.2` into `.completed`, and that becomes `.2`. Their
lines are older than the file's.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from leasewatch.files.reading import Read, read, signature
from leasewatch.sources.source import Reader

_OLDER: Final = ((".completed",), (".2", ".1"))
"""Suffixes of older parts; the first set of which any is there counts."""


def reader(path: str) -> Reader:
    """Reads the parts as one file; a read is torn if one of them moved meanwhile."""
    return partial(_read, path)


def _read(path: str, _former: bytes) -> Read:
    choices = [[f"{path}{suffix}" for suffix in suffixes] for suffixes in _OLDER]
    names = [name for names in choices for name in names]
    there = list(map(signature, names))
    older = b""
    for choice in choices:
        if parts := [read(name) for name in choice if Path(name).exists()]:
            older = b"".join(part.data for part in parts)
            break
    newest = read(path)
    torn = newest.torn or list(map(signature, names)) != there
    return Read(older + newest.data, newest.signature, torn=torn, older=len(older))
