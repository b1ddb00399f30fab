"""Describes a source of leases: where its files are, how they are read, what their bytes mean.

Each source's file in this room makes one `Source` or more. Paths are patterns: `{network}` stands
for the interface or, in `names`, for the network's name; `{file}` stands for any name. Each stays
within one part of the path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

import msgspec

from leasewatch.errors import ParseError
from leasewatch.files import reading
from leasewatch.model import Lease, LeaseFile

Reader = Callable[[bytes], reading.Read]
"""Reads one file, given the bytes of the last read (`reading.read`); raises OSError."""


def plain_reader(path: str) -> Reader:
    """Reads the file as it is."""
    return partial(reading.read, path)


class Owner(msgspec.Struct, frozen=True, gc=False):
    """A name that the host's owner gave to a network card."""

    key: str
    """Which domain it is: cards of one key belong together."""
    name: str
    mac: str
    """Lower case, colon-separated."""
    aliases: tuple[str, ...] = ()
    """Further names of the domain."""


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Files of one kind."""

    patterns: tuple[str, ...] = ()
    removed_after: float | None = None
    """Seconds after which a file that vanished no longer counts, if its program removes files on
    purpose. None: a file that vanishes says nothing."""


class OwnerFiles(Files, frozen=True, kw_only=True):
    """Files that say whose a network card is."""

    parse: Callable[[bytes, str], tuple[list[Owner], list[ParseError]]]
    """Bytes and path to owners, and what is wrong; raises ParseError if nothing can be read."""
    first_lease_seconds: int = 0
    """A domain is listed only while it runs, and gets its first lease within so long.

    0: it is always listed, so it may be stopped.
    """


class NameFiles(Files, frozen=True, kw_only=True):
    """Files NETWORK.… that say what `{network}` of the other patterns is, e.g. a bridge."""

    parse: Callable[[bytes, str], str]
    """Bytes and path to that name; raises ParseError."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of DHCP server or VM manager."""

    name: str
    leases: Files = Files()
    network: str = ""
    """The network's name if no pattern says it."""
    bridges: tuple[str, ...] = ()
    """The network's interfaces, maybe `{network}`; empty: not known."""
    owners: OwnerFiles | None = None
    names: NameFiles | None = None

    reader: Callable[[str], Reader] = plain_reader
    """Path to how that lease file is read."""
    replaced: bool = False
    """Files are renamed into place: a read is never torn."""
    by_line: bool = False
    """Each line of a file is a record of its own."""
    begins: re.Pattern[bytes] | None = None
    """How a lease file begins, if its path does not say what it is."""
    records: Callable[[bytes, str], list[bytes]]
    """A lease file's bytes and path to its records: the same bytes while one says the same.

    Raises ParseError if the whole makes no sense: the former records then stay.
    """
    parse_record: Callable[[bytes, LeaseFile, list[ParseError]], Lease | None]
    """A record's lease; None: the record is no lease.

    The list gets a LostFieldError for each field that is left out. Raises ParseError if the record
    does not say whether, where and until when the lease holds.
    """


def parse(source: Source, data: bytes, file: LeaseFile) -> tuple[list[Lease], list[ParseError]]:
    """Every lease of the file, and what is wrong in it."""
    leases: list[Lease] = []
    errors: list[ParseError] = []
    try:
        records = source.records(data, file.path)
    except ParseError as error:
        return [], [error]
    for record in records:
        try:
            lease = source.parse_record(record, file, errors)
        except ParseError as error:
            errors.append(error)
        else:
            leases += [lease] if lease is not None else []
    return leases, errors
