"""A kernel's neighbour table for tests: one line changes an entry; it keeps what is shown."""

from __future__ import annotations

from leasewatch.addresses import parse, text
from leasewatch.model import Domain, Neighbour, NeighbourChange, Nic
from leasewatch.neighbours.links import Link
from leasewatch.neighbours.table import FAILED, Moment, NeighbourTable, Sighting
from tests.leasewatch.naming import MAC

DELETED, INCOMPLETE, NOARP = 0, 0x01, 0x40
WALL = 1_800_000_000.0


LINK = Link(ifindex=7, network="lab", addresses=((parse("10.0.0.1"), 24), (parse("fd77::1"), 64)))
OTHER = Link(ifindex=8, network="dmz", addresses=((parse("fd88::1"), 64),))


class Kernel:
    """A table that gets one entry at a time, and what it then shows."""

    def __init__(self) -> None:
        self.known: set[str] = {MAC(1), MAC(2)}
        self.table = NeighbourTable(lambda network, mac: network == "lab" and mac in self.known)
        self.now = 1000.0
        self.shown: dict[str, Neighbour] = {}
        self.changes = 0
        self.last: NeighbourChange | None = None
        self.went: set[bool] = set()
        """Whether what is shown no longer went quietly."""
        self.take(self.table.set_links([LINK, OTHER]))

    @property
    def wall(self) -> float:
        return WALL + self.now

    @property
    def moment(self) -> Moment:
        return Moment(self.now, self.wall)

    def take(self, changes: list[NeighbourChange]) -> None:
        """Each change must fit what was shown before it."""
        for change in changes:
            self.changes += 1
            self.last = change
            if change.new is None:
                self.went.add(change.quiet)
            if change.old is not None:
                assert self.shown.pop(text(change.old.address)) == change.old
            if change.new is not None:
                assert text(change.new.address) not in self.shown
                self.shown[text(change.new.address)] = change.new

    def says(
        self,
        address: str,
        state: int,
        mac: int | None = 1,
        *,
        confirmed: float = 0.0,
        event: bool = True,
        ifindex: int = 7,
    ) -> None:
        known = MAC(mac) if mac is not None and state not in {FAILED, INCOMPLETE} else ""
        sighting = Sighting(ifindex, parse(address), state, known, confirmed)
        self.take(self.table.observe(sighting, self.moment, event=event))

    def runs(self, *macs: int, started: float, start_seen: bool = True) -> None:
        """One domain on those cards; `started` on the table's clock."""
        nics = tuple(Nic("lab", MAC(mac)) for mac in macs)
        domain = Domain(
            name="web1",
            nics=nics,
            started=WALL + started,
            pending_until=0,
            start_seen=start_seen,
        )
        self.take(self.table.set_domains([domain] if macs else [], self.moment))

    def passes(self, seconds: float) -> list[tuple[int, bytes]]:
        self.now += seconds
        changes, doubtful = self.table.sweep(self.now)
        self.take(changes)
        return doubtful

    def macs(self) -> dict[str, str]:
        return {address: n.mac for address, n in self.shown.items()}
