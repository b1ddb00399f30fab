"""Lists of JSON objects as records: the bytes of each object, decoded one by one."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

import msgspec

from leasewatch.errors import UNDECODABLE, LostFieldError, ParseError

_T = TypeVar("_T")
_S = TypeVar("_S", bound=msgspec.Struct)


def decode(data: bytes, kind: type[_T], path: str) -> _T:
    """Raises ParseError with the name of the bad field, or `JSON`."""
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        why, _, at = str(error).partition(" - at `$")
        raise ParseError(path, 0, at.rstrip("`").lstrip(".") or "record", why.lower()) from None
    except UNDECODABLE as error:
        raise ParseError(path, 0, "JSON", str(error)) from None


def decode_object(
    data: bytes, kind: type[_S], path: str, faults: list[ParseError], must: Collection[str]
) -> _S:
    """`decode`, but only the fields in `must` have to be readable.

    `faults` gets the others that are not, and the object is decoded without them.
    """
    try:
        return decode(data, kind, path)
    except ParseError:
        members = decode(data, dict[str, msgspec.Raw], path)
    types = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    good: dict[str, msgspec.Raw] = {}
    for name in filter(members.__contains__, types):
        try:
            decode(bytes(members[name]), types[name], path)
        except ParseError as error:
            if name in must:
                raise ParseError(path, 0, name, error.why) from None
            faults.append(LostFieldError(path, 0, name, error.why))
        else:
            good[name] = members[name]
    return decode(msgspec.json.encode(good), kind, path)


def split(data: bytes, path: str) -> list[bytes]:
    """The objects of a list; an empty file is an empty list. Raises ParseError."""
    if not data.strip():
        return []
    return [bytes(raw) for raw in decode(data, list[msgspec.Raw], path)]
