"""Whether the service can read every lease file. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from leasewatch.api.interface import SourceEntry
from nss_pyvirt.checks import Row, State

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "sources"
_MISSING: Final = "No such file or directory"
"""Its DHCP server may write it yet."""


def check(host: Host) -> Iterator[Row]:
    """Files that cannot be read, and lines that cannot."""
    if host.sources is None:
        yield Row("warn", SUBJECT, "unknown: the service does not answer")
        return
    yield from judge(host.sources)


def judge(sources: Sequence[SourceEntry]) -> Iterator[Row]:
    """A row for each fault, or one that counts files and leases."""
    wrong = [one for one in sources if one.state == "unreadable" or one.error]
    for one in wrong:
        state: State = "bad" if one.state == "unreadable" and one.error != _MISSING else "warn"
        detail = f"{one.path or one.source}: {one.error or 'cannot be read'}"
        yield Row(state, SUBJECT, detail, one.hint or "leasewatch sources")
    if not wrong:
        watched = [one for one in sources if one.state == "watched"]
        leases = sum(one.leases or 0 for one in watched)
        files = f"{len(watched)} lease file{'s' * (len(watched) != 1)}"
        yield Row("ok", SUBJECT, f"{files}, {leases} lease{'s' * (leases != 1)}")
