"""What a source of leases is: where its files live and how their bytes are read. Data only.

Paths are patterns: `{network}` stands for the interface or, in `names`, for the network's name,
`{file}` for any name, both within one part of the path. `sources.discovery` finds the files;
nothing is opened here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from leasewatch.errors import ParseError
from leasewatch.model import Lease, LeaseFile


class Owner(msgspec.Struct, frozen=True, gc=False):
    """A name that the host's owner gave to a network card."""

    key: str
    """Which domain it is: cards of one key belong together."""
    name: str
    mac: str
    """Lower case, colon-separated."""
    aliases: tuple[str, ...] = ()
    """What the domain answers to, too."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of DHCP server or VM manager. Parsers take bytes and, for errors, a path."""

    name: str
    records: Callable[[bytes, str], list[bytes]]
    """The file's records, each the same bytes for as long as it says the same.

    Raises ParseError where the file as a whole cannot be understood: what it said before holds.
    """
    parse_record: Callable[[bytes, LeaseFile, list[ParseError]], Lease | None]
    """None: a record that is no lease.

    The list gets a LostFieldError for each field that is left out. Raises ParseError where the
    record does not say whether, where and until when the lease holds.
    """
    begins: re.Pattern[bytes] | None = None
    """How a file of this format begins, where its path does not tell what it is."""
    leases: tuple[str, ...] = ()
    leases_removed: bool = False
    """The server removes the file with its last lease; else one that vanishes says nothing."""
    network: str = ""
    """The network's name where no pattern tells it."""
    bridges: tuple[str, ...] = ()
    """Names of the network's interfaces, which may be `{network}`; empty: not known."""
    replaced: bool = False
    """Written elsewhere and renamed into place: a read is never torn."""
    before: tuple[tuple[str, ...], ...] = ()
    """Suffixes of older parts, to be read before the file; the first that has any counts."""
    owners: tuple[str, ...] = ()
    parse_owners: Callable[[bytes, str], tuple[list[Owner], list[ParseError]]] | None = None
    owners_removed: bool = False
    """The file of a card is removed with the card."""
    owners_run: bool = False
    """A domain is listed only while it runs."""
    names: tuple[str, ...] = ()
    """Files NETWORK.… that tell what `{network}` of the other patterns is, e.g. a bridge."""
    parse_name: Callable[[bytes, str], str] | None = None

    @property
    def by_line(self) -> bool:
        """Each line is a record, whatever else is in the file."""
        return self.records is lines


def lines(data: bytes, _path: str) -> list[bytes]:
    """Every complete line; what follows the last newline is still being written."""
    return data.split(b"\n")[:-1]


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
