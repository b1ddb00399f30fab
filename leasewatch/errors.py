"""Errors of leasewatch and pyvirt beyond `UserError`; it decides nothing and prints nothing."""

from __future__ import annotations

from typing import Final

import msgspec

from nss_pyvirt.errors import UserError

UNDECODABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""What msgspec may raise when it decodes untrusted bytes. Its own error does not cover bad UTF-8,
endless nesting and TOML."""


class ParseError(UserError):
    """A malformed line of an untrusted file: the line is skipped, the rest of the file counts.

    `line` counts from 1 (0: the file as a whole); `field` is the field's name in dnsmasq's or the
    source's own terms.
    """

    code = "invalid"

    def __init__(self, file: str, line: int, field: str, why: str) -> None:
        super().__init__(f"{file}:{line}: {field}: {why}")
        self.file = file
        self.line = line
        self.field = field
        self.why = why


class LostFieldError(ParseError):
    """A field that cannot be read: it is left out, and the rest of its record counts."""
