"""All zones that this process serves, and who follows them.

A serial is stored before it is served. If that fails, the zone stays as it is, one line is logged,
and the change is tried again every few seconds.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from leasewatch.daemon.alarm import Alarm
from leasewatch.daemon.logs import NOTICE, fields
from leasewatch.dns import wire
from leasewatch.dns.state import State
from leasewatch.dns.wire import Data, Name
from leasewatch.dns.zone import Head, Kept, Step, Zone

RETRY: Final = 2.0
"""Seconds after which a serial that was not stored is tried again."""

log = logging.getLogger(__name__)


class Zones(Mapping[str, Zone]):
    """The zones by apex: folded, without final dot. Serve a zone only if it has a serial."""

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:
        self.followers: list[Callable[[Zone], None]] = []
        """Called with each zone that has a new serial, or got its first one."""
        self.state = state
        self._clock = clock
        self._zones: dict[str, Zone] = {}
        self._by_name: dict[Name, Zone] = {}
        self._unstored: dict[str, dict[Name, Sequence[Data]]] = {}
        """By apex: changes whose serial could not be stored."""
        self._retry = Alarm(self._try_again)

    def __getitem__(self, apex: str) -> Zone:
        return self._zones[apex]

    def __iter__(self) -> Iterator[str]:
        return iter(self._zones)

    def __len__(self) -> int:
        return len(self._zones)

    def served(self, apex: Name) -> Zone | None:
        """The zone of an absolute name (folded, in wire form), if it has a serial."""
        zone = self._by_name.get(apex)
        return zone if zone is not None and zone.serial else None

    def add(self, apex: str, head: Head) -> Zone:
        """The zone of that name; where it is missing, an empty one is made."""
        zone = self._zones.get(apex)
        if zone is None:
            zone = Zone(apex, head, self.state.load(apex))
            self._zones[apex] = self._by_name[wire.absolute(apex)] = zone
        return zone

    def change(self, apex: str, wanted: Mapping[Name, Sequence[Data]]) -> None:
        """Give names of a zone other records, as `Zone.plan` says, in one step."""
        zone = self._zones[apex]
        unstored = self._unstored.pop(apex, None)
        if unstored is not None:
            wanted = {**unstored, **wanted}
        now = self._clock()
        step = zone.plan(wanted, now)
        if step is None:
            return
        try:
            self.state.store(apex, Kept(step.serial, step.digest), now)
        except OSError as error:
            self._postpone(zone, wanted, error, is_new=unstored is None)
            return
        if unstored is not None:
            log.log(NOTICE, "serial stored again %s", fields(zone=apex, serial=step.serial))
        zone.apply(step)
        self._follow(zone, step)

    def latest_names(self, apex: str) -> Collection[Name]:
        """The names of a zone, once all changes are stored; maybe others."""
        return self._zones[apex].names() | self._unstored.get(apex, {}).keys()

    def latest(self, apex: str, name: Name) -> Iterable[Data]:
        """The records of a name, once all changes are stored."""
        unstored = self._unstored.get(apex, {}).get(name)
        return map(wire.data, self._zones[apex].at(name)) if unstored is None else unstored

    def close(self) -> None:
        """Try nothing again."""
        self._retry.cancel()

    def _follow(self, zone: Zone, step: Step) -> None:
        log.debug(
            "zone %s",
            fields(
                zone=zone.apex,
                serial=step.serial,
                added=len(step.added),
                removed=len(step.removed),
            ),
        )
        for follower in self.followers:
            follower(zone)

    def _postpone(
        self, zone: Zone, wanted: Mapping[Name, Sequence[Data]], error: OSError, *, is_new: bool
    ) -> None:
        self._unstored[zone.apex] = dict(wanted)
        if is_new:
            folder = self.state.folder
            hint = f"other hosts see no change until it is stored: df {folder}; ls -ld {folder}"
            log.error(
                "serial not stored, keeping the zone as it is %s",
                fields(zone=zone.apex, serial=zone.serial, error=error.strerror, hint=hint),
            )
        if not self._retry.is_set():
            self._retry.set(RETRY)

    def _try_again(self) -> None:
        for apex in [*self._unstored]:
            self.change(apex, {})
