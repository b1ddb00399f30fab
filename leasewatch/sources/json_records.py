"""Lists of JSON objects as records: each object's own bytes, decoded one by one. No file format."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from leasewatch.errors import UNDECODABLE, ParseError

_T = TypeVar("_T")


def decode(data: bytes, kind: type[_T], path: str) -> _T:
    """Raises ParseError with the name of the field that is wrong, or `JSON`."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        why, _, at = str(error).partition(" - at `$")
        raise ParseError(path, 0, at.rstrip("`").lstrip(".") or "record", why.lower()) from None
    except UNDECODABLE as error:
        raise ParseError(path, 0, "JSON", str(error)) from None


def split(data: bytes, path: str) -> list[bytes]:
    """The objects of a list; an empty file is an empty list. Raises ParseError."""
    if not data.strip():
        return []
    return [bytes(raw) for raw in decode(data, list[msgspec.Raw], path)]
