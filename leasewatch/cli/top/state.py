"""What `leasewatch top` knows: the service's candidates, sources and last events. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Final

import msgspec

from leasewatch.api.interface import Entry, MonitorReply, SourceEntry

MAX_EVENTS: Final = 200
MAX_LAGS: Final = 1000

_Key = tuple[str | None, ...]
_Place = tuple[str, str | None, str | None]


class Row(msgspec.Struct, frozen=True, gc=False):
    """A candidate for a name."""

    entry: Entry
    since: float | None
    """When the client was first seen under its name, in Unix seconds."""
    lag: float | None = None
    """Seconds from the service's reading of the lease to the published name; None: not seen."""


class Happened(msgspec.Struct, frozen=True, gc=False):
    """An event, and the lag that it showed."""

    reply: MonitorReply
    entry: Entry
    lag: float | None


class State:
    """The service as it was last seen."""

    def __init__(self) -> None:
        self.rows: dict[_Key, Row] = {}
        self.events: deque[Happened] = deque(maxlen=MAX_EVENTS)
        """The newest last."""
        self.sources: Sequence[SourceEntry] = ()
        self.count = 0
        """Of all events since the start."""
        self.fault: str | None = "connecting"
        """Why nothing comes from the service; None: it is connected, and all is known."""
        self.number: int | None = None
        """Of the last event, to go on there."""
        self._coming: dict[_Key, Row] = {}
        self._renewed: dict[_Place, float] = {}
        self._lags: deque[float] = deque(maxlen=MAX_LAGS)

    def lost(self, why: str) -> None:
        """The connection ended. What is known stays, and `why` is shown."""
        self.fault = why
        self._coming = {}

    def apply(self, reply: MonitorReply) -> None:
        """Take the next reply of `Monitor`."""
        entry = reply.entry
        if entry is None:
            if reply.kind == "synced":
                self.rows, self._coming = self._coming, {}
            self.number, self.fault = reply.number, None
        elif reply.kind == "snapshot":
            self._coming[_key(entry)] = Row(entry, reply.first_seen)
            self._note(entry, reply.renewed)
        else:
            self.number = reply.number
            self._happened(reply, entry)

    def networks(self) -> list[str]:
        """All networks that have a lease file or a candidate."""
        found = {source.network for source in self.sources if source.network}
        return sorted(found | {row.entry.network for row in self.rows.values()})

    def lags(self) -> tuple[float, float, float] | None:
        """The last lag, the median and the largest, in seconds; None: there was none."""
        if not self._lags:
            return None
        return self._lags[-1], median(self._lags), max(self._lags)

    def _happened(self, reply: MonitorReply, entry: Entry) -> None:
        self.count += 1
        key, lag = _key(entry), None
        if reply.kind == "removed":
            self.rows.pop(key, None)
        else:
            lag = self._lag(reply, entry)
            former = self.rows.get(key)
            shown = lag if lag is not None or former is None else former.lag
            self.rows[key] = Row(entry, reply.first_seen, shown)
        self._note(entry, reply.renewed)
        self.events.append(Happened(reply, entry, lag))

    def _lag(self, reply: MonitorReply, entry: Entry) -> float | None:
        """None also if the lease itself is not new, but only its name is."""
        renewed = reply.renewed
        if entry.verdict != "published" or entry.origin != "lease" or renewed is None:
            return None
        if self._renewed.get(_place(entry), 0.0) >= renewed:
            return None
        lag = max(0.0, reply.time - renewed)
        self._lags.append(lag)
        return lag

    def _note(self, entry: Entry, renewed: float | None) -> None:
        if renewed is not None:
            self._renewed[_place(entry)] = renewed


def _key(entry: Entry) -> _Key:
    """What `MonitorReply` says makes two entries the same candidate."""
    domain = entry.domain if entry.address is None else None
    return entry.name, entry.network, entry.address, entry.source, domain


def _place(entry: Entry) -> _Place:
    return entry.network, entry.address, entry.source
