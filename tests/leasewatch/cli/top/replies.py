"""Replies of `Monitor` and other values, for tests of `leasewatch top`."""

from __future__ import annotations

from typing import Any

import msgspec

from leasewatch.api.interface import Entry, Kind, MonitorReply
from leasewatch.cli.top.state import State

NOW = 1_000_000.0
WEB = Entry(
    name="web1",
    trust="owner",
    verdict="published",
    reason="domain web1 owns this MAC",
    network="lab",
    domain="web1",
    address="10.77.0.5",
    family=4,
    origin="lease",
    mac="52:54:00:00:00:01",
    hostname="web1",
    expires=int(NOW) + 690,
    source="/var/lib/pyvirt/leases/lab.leases",
)


def entry(name: str | None = "web1", address: str | None = "10.77.0.5", **fields: Any) -> Entry:
    return msgspec.structs.replace(WEB, name=name, address=address, **fields)


def reply(kind: Kind, of: Entry | None = None, number: int = 1, **fields: Any) -> MonitorReply:
    return MonitorReply(number=number, kind=kind, entry=of, **({"time": NOW} | fields))


def state(*entries: Entry, first_seen: float = NOW - 60) -> State:
    """A state after a snapshot of these."""
    made = State()
    for one in entries:
        made.apply(reply("snapshot", one, first_seen=first_seen, renewed=first_seen))
    made.apply(reply("synced"))
    return made
