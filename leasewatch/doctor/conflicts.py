"""Names that several machines want. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from leasewatch.api.interface import Entry
from nss_pyvirt.checks import Row

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "conflicts"


def check(host: Host) -> Iterator[Row]:
    """A row for each name that a machine did not get because another one has it."""
    rows = list(judge(host.entries))
    yield from rows or [Row("ok", SUBJECT, "every name has one owner")]


def judge(entries: Iterable[Entry]) -> Iterator[Row]:
    """See `check`; one row for all addresses of a machine."""
    lost = (one for one in entries if one.verdict == "conflict" and one.name)
    machines = {(one.name, one.network, one.mac or one.address): one for one in reversed([*lost])}
    for one in reversed(machines.values()):
        where = f"{one.address or 'a domain'} on {one.network}"
        detail = f"{where} does not get {one.name}: {one.reason}"
        fix = f"leasewatch resolve {shlex.quote(one.name or '')} --explain"
        yield Row("warn", SUBJECT, detail, fix)
