"""How often, and at which sizes, each figure is taken: the full run, and a quick one."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.table import SIZES


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of repetitions; times in the unit that the field names."""

    hosts: tuple[int, ...]
    """Sizes that the same lookup is measured at."""
    rounds: int
    """In which every contestant takes one turn."""
    turn_us: float
    changes: int
    """Leases written to see when their name is found."""
    getents: int
    """The same, seen by whole processes."""
    leases: int
    """Asked of each DHCP server."""
    storm_s: float
    """How long 1,000 leases change each second."""
    settle_s: float
    """How long the service is left alone before…"""
    idle_s: float
    """…it is watched for so long."""
    processes: int
    """Runs of a command that is timed as a whole."""
    site_hosts: int
    """Hosts of the site whose zones name servers get."""
    expire_s: int
    """The expire of a dead host's SOA, at least 10: BIND's least refresh and retry."""


FULL = Counts(
    hosts=SIZES,
    rounds=40,
    turn_us=2000,
    changes=250,
    getents=30,
    leases=60,
    storm_s=60,
    settle_s=6,
    idle_s=60,
    processes=15,
    site_hosts=50,
    expire_s=40,
)
QUICK = Counts(
    hosts=(10, 100, 1_000),
    rounds=2,
    turn_us=50,
    changes=5,
    getents=2,
    leases=2,
    storm_s=1,
    settle_s=0,
    idle_s=0.5,
    processes=2,
    site_hosts=3,
    expire_s=10,
)
