"""The values of pyvirt's options: sizes with units, paths. Opens no file."""

from __future__ import annotations

from nss_pyvirt.errors import UserError

TYPE_CHECKING = False  # the import of typing takes 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Final

    from leasewatch.pyvirt.defined.architectures import Arch

_SIZE: Final = r"(\d{1,15})(?:\.(\d{1,3}))?\s*([KMGT]?)(?:I?B)?"
_LARGEST_DISK: Final = 1 << 50
"""Bytes; a qcow2 file holds twice as much at most."""
_POWERS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def size(text: str, unit: str = "") -> int | None:
    """The bytes of `20G`, `20GiB`, `20gb` (each 20 * 2**30) or `1.5G`; None: it is no size.

    `unit` is the letter of a number that has none. `2GB` and `2GiB` are the same here.
    """
    import re  # noqa: PLC0415  start-up time

    found = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        return None
    whole, part, letter = found[1], found[2] or "", found[3].upper()
    if not letter and not text.strip()[-1:].isalpha():
        letter = unit
    scaled = int(whole + part) << _POWERS[letter]
    count, rest = divmod(scaled, 10 ** len(part))
    return None if rest else count


def mebibytes(least: int, most: int) -> Callable[[str], int]:
    """A kind: a size of memory in whole MiB within the limits: `2048`, `2G`, `2GiB`."""

    def convert(text: str) -> int:
        found = size(text, unit="M")
        if found is None or found % (1 << 20):
            raise ValueError(f'"{text}" is not a size like 2048 (MiB), 512M or 2G')
        if not least <= found >> 20 <= most:
            raise ValueError(f'"{text}" is not from {least} to {most} MiB')
        return found >> 20

    return convert


def architecture(text: str) -> Arch:
    """A kind: an architecture, as Linux or Debian calls it."""
    from leasewatch.pyvirt.defined import architectures  # noqa: PLC0415  start-up time

    try:
        return architectures.parse(text)
    except UserError as error:
        raise ValueError(f"{error.what}: {error.hint}") from None


def disk_size(text: str) -> int:
    """A size of a disk, in bytes and at least one: `20G`, `20GiB` and `20GB` are the same.

    Raises ValueError.
    """
    found = size(text)
    if not found:
        raise ValueError(f'"{text}" is not a size like 20G or 512M')
    if found > _LARGEST_DISK:
        raise ValueError(f'"{text}" is more than 1024T')
    return found


def image_name(text: str) -> str:
    """The name of an image; ValueError for a path or a URL says how to use that."""
    if "://" in text:
        raise ValueError(f"{text} is a URL: use pyvirt image add, then --image NAME")
    if "/" in text:
        raise ValueError(f"{text} is a path: use --disk {text}")
    return text


def image_path(text: str) -> Path:
    """The path of an image on this host; ValueError for a URL says how to use that."""
    return _path(text, "use pyvirt image add, then --image")


def local_path(text: str) -> Path:
    """The path of a file on this host; ValueError for a URL, before it looks like one."""
    return _path(text, "download the file first")


def _path(text: str, instead: str) -> Path:
    from pathlib import Path  # noqa: PLC0415  start-up time

    if not text:
        raise ValueError("the path is empty")
    if "://" in text:
        raise ValueError(f"{text} is a URL: {instead}")
    return Path(text)
