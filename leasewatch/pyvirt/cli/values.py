"""The values of pyvirt's options: a size with its unit, the path of a file here. Opens no file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import click

_SIZE: Final = re.compile(r"(\d{1,15})(?:\.(\d{1,3}))?\s*([KMGT]?)(?:I?B)?", re.IGNORECASE)
_POWERS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def size(text: str, unit: str = "") -> int | None:
    """The bytes of `20G`, `20GiB`, `20gb` (each 20 * 2**30) or `1.5G`; None: it is no size.

    `unit` is the letter of a number that has none. `2GB` and `2GiB` are the same here.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        return None
    whole, part, letter = found[1], found[2] or "", found[3].upper()
    if not letter and not text.strip()[-1:].isalpha():
        letter = unit
    scaled = int(whole + part) << _POWERS[letter]
    count, rest = divmod(scaled, 10 ** len(part))
    return None if rest else count


class Mebibytes(click.ParamType[int]):
    """A size of memory, in MiB: `2048`, `2G`, `2GiB`."""

    name = "size"

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Whole MiB within the limits."""
        found = size(str(value), unit="M")
        if found is None or found % (1 << 20):
            self.fail(f'"{value}" is not a size like 2048 (MiB), 512M or 2G', param, ctx)
        if not self._least <= found >> 20 <= self._most:
            self.fail(f'"{value}" is not from {self._least} to {self._most} MiB', param, ctx)
        return found >> 20


class DiskSize(click.ParamType[int]):
    """A size of a disk, in bytes: `20G`, `20GiB` and `20GB` are the same."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """At least one byte."""
        found = size(str(value))
        if not found:
            self.fail(f'"{value}" is not a size like 20G or 512M', param, ctx)
        return found


class FilePath(click.Path):
    """The path of a file on this host; a URL is refused before it looks like one."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if "://" in str(value):
            self.fail(f"{value} is a URL: download the file first", param, ctx)
        return super().convert(value, param, ctx)
