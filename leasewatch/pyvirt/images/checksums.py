"""Publishers' checksum files: which digest a file should have. Pure.

Known are `HEX  NAME` (Debian, Ubuntu), `SHA256 (NAME) = HEX` (Fedora, also signed), and a lone
`HEX` (Alpine).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from nss_pyvirt.errors import UserError

_LENGTHS: Final = {64: "sha256", 128: "sha512"}
_PLAIN: Final = re.compile(r"([0-9A-Fa-f]{64,128})(?:[ \t]+\*?(?:\./)?(\S.*))?")
_TAGGED: Final = re.compile(r"SHA(?:256|512) \((.+)\) = ([0-9A-Fa-f]{64,128})")


class Checksum(NamedTuple):
    """A digest in lower-case hex; `str` is `sha512:HEX`."""

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def given(algorithm: str, text: str) -> Checksum:
    """A checksum that somebody typed; UserError where it cannot be one."""
    digits = text.strip().lower()
    if _LENGTHS.get(len(digits)) != algorithm or re.search("[^0-9a-f]", digits):
        count = next(length for length, name in _LENGTHS.items() if name == algorithm)
        what = f'"{text}" is not a {algorithm} checksum'
        raise UserError(what, f"it has {count} hexadecimal digits", "invalid")
    return Checksum(algorithm, digits)


def find(text: str, name: str, source: str) -> Checksum:
    """The checksum of the file `name`; UserError names `source` where it has none."""
    for line in map(str.strip, text.splitlines()):
        if tagged := _TAGGED.fullmatch(line):
            named, digits = tagged.groups()
        elif plain := _PLAIN.fullmatch(line):
            digits, named = plain[1], plain[2] or name
        else:
            continue
        if named == name and len(digits) in _LENGTHS:
            return Checksum(_LENGTHS[len(digits)], digits.lower())
    hint = "look whether the publisher has renamed the image"
    raise UserError(f"{source} has no checksum of {name}", hint, "not-found")
