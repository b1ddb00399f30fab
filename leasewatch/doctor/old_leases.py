"""Leases that never end, of a subnet that their bridge has no longer. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from leasewatch.addresses import queried
from leasewatch.api.interface import Entry
from leasewatch.names import on_link
from nss_pyvirt.checks import Row

if TYPE_CHECKING:
    from leasewatch.doctor.host import Host

SUBJECT: Final = "old leases"


def check(host: Host) -> Iterator[Row]:
    """A row for each such lease."""
    endless = [one for one in host.entries if one.origin == "lease" and one.expires is None]
    rows = list(judge(endless, host.on_link if endless else {}))
    yield from rows or [Row("ok", SUBJECT, "no endless lease is outside its bridge's subnet")]


def judge(endless: Iterable[Entry], networks: Mapping[str, on_link.Networks]) -> Iterator[Row]:
    """See `check`; a network whose bridge is not known has no row."""
    for one in endless:
        packed = queried(one.address or "")
        there = networks.get(one.network)
        if packed is None or there is None or not there.lack(packed):
            continue
        whose = f" ({one.name})" if one.name else ""
        detail = f"{one.address}{whose} is leased for ever, and {one.network} has no such subnet"
        fix = f"stop the DHCP server, delete that lease in {one.source}, and start it again"
        yield Row("warn", SUBJECT, detail, fix)
