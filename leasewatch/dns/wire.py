"""Names and record data in wire form (RFC 1035, 3 and 4.1.4). Pure.

A zone may have 100,000 names, and dnspython takes 10 µs for each. So zones hold wire form, which
these few functions make. dnspython parses what strangers send.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from leasewatch.addresses import Address
from leasewatch.names.labels import fold

A: Final = 1
NS: Final = 2
SOA: Final = 6
PTR: Final = 12
TXT: Final = 16
AAAA: Final = 28

Name = bytes
"""Labels in lower case, each after its length. Absolute names end in the root's zero byte; names
relative to a zone do not."""

Data = tuple[int, bytes]
"""A record's type and data."""

MAX_NAME: Final = 255
"""Bytes of an absolute name (RFC 1035, 2.3.4)."""

_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")


def relative(name: str) -> Name:
    """The labels of `name`, folded; empty for the empty name.

    Raises ValueError: a label is not of letters, digits, hyphens and underscores, or has more than
    63 bytes.
    """
    if not name:
        return b""
    labels = fold(name).split(".")
    if not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"{name!r} is no DNS name")
    return b"".join(bytes((len(label),)) + label.encode() for label in labels)


def absolute(name: str) -> Name:
    """The absolute name. Raises ValueError as `relative` does, or if it has more than 255 bytes."""
    wire = relative(name) + b"\0"
    if len(wire) > MAX_NAME:
        raise ValueError(f"{name[:40]}… is longer than {MAX_NAME} bytes")
    return wire


def text(name: Name) -> str:
    """The name as text, without final dot."""
    return ".".join(label.decode("ascii", "replace") for label in labels(name))


def labels(name: Name) -> Iterator[bytes]:
    """The labels of an absolute or relative name, the first one first."""
    start = 0
    while start < len(name) and name[start]:
        yield name[start + 1 : start + 1 + name[start]]
        start += 1 + name[start]


def parents(name: Name) -> Iterator[Name]:
    """The name without its first label, without its first two, and so on until one is left."""
    start = 1 + name[0] if name else 0
    while start < len(name):
        yield name[start:]
        start += 1 + name[start]


def data(record: bytes) -> Data:
    """Type and data of a record of a zone (`zone`)."""
    start = record.index(b"\xc0\x0c") + 2
    return int.from_bytes(record[start : start + 2], "big"), record[start + 10 :]


def address(value: Address) -> Data:
    """An A or AAAA record."""
    return (A if len(value) == 4 else AAAA), value


def txt(value: str) -> Data:
    """A TXT record of one string of at most 255 bytes."""
    data = value.encode()
    return TXT, bytes((len(data),)) + data
