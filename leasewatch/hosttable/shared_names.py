"""Host records that have a name in common: whose it is.

The policy gives a name to one host alone. Should it ever not, one name is lost and no other host
waits for its news. It reads and writes no file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

from nss_pyvirt import snapshot


class Ranked(NamedTuple):
    """A packed record of the host table."""

    rank: int
    """A lower one goes first."""
    host: str
    """The bare name that it was decided for."""
    record: bytes


class LeftOut(NamedTuple):
    """A name that a host does not answer to, because another one does."""

    name: str
    host: str
    other: str


class Settlement(NamedTuple):
    """What makes each name one host's; it holds until one of its `hosts` changes."""

    instead: dict[int, bytes | None]
    """By id() of a record, for two may be equal: what is left of it; None: nothing."""
    left_out: list[LeftOut]
    hosts: frozenset[str]

    def apply(self, records: list[bytes]) -> list[bytes]:
        """The records in their order, with each name once."""
        if not self.instead:
            return records
        kept = (self.instead.get(id(record), record) for record in records)
        return [record for record in kept if record is not None]


UNSHARED: Final = Settlement({}, [], frozenset())


def settle(records: Iterable[Ranked]) -> Settlement:
    """Whose the names are that several records have.

    Of equal rank, whose canonical name it is goes first, then the order of the hosts' names.
    """
    ranked = list(records)
    sharing: dict[str, list[int]] = {}
    for at, (_, _, record) in enumerate(ranked):
        for name in snapshot.names(record):
            sharing.setdefault(name, []).append(at)
    losses: defaultdict[int, set[str]] = defaultdict(set)
    left_out: list[LeftOut] = []
    for name, among in sharing.items():
        if len(among) == 1:
            continue
        first, *others = sorted((ranked[at] for at in among), key=lambda r: _order(r, name))
        for at in among:
            if ranked[at] is not first:
                losses[at].add(name)
        left_out += (LeftOut(name, other.host, first.host) for other in others)
    instead = {
        id(ranked[at].record): _without(ranked[at].record, names) for at, names in losses.items()
    }
    hosts = frozenset(host for lost in left_out for host in (lost.host, lost.other))
    return Settlement(instead, left_out, hosts)


def _order(one: Ranked, name: str) -> tuple[int, bool, str]:
    return one.rank, snapshot.names(one.record)[0] != name, one.host


def _without(record: bytes, lost: set[str]) -> bytes | None:
    host = snapshot.unpack(record)
    names = tuple(name for name in host.names if name not in lost)
    return snapshot.pack(host._replace(names=names)) if names else None
