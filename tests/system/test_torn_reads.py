"""Lease files that are read while they are written: nothing lost, nothing invented, soon right.

The versions of the file are rewriter.py's; observer.py holds every table against them.
"""

from __future__ import annotations

import time

import pytest

from tests.system.observer import Observer
from tests.system.rewriter import Versions
from tests.system.rewriting import TABLE, await_version, start_writer, stop_writer, write_first
from tests.system.world import World


def rewrite(world: World, versions: Versions, way: str, seconds: float, tables: int = 1) -> None:
    """Observe the service beside a writer for so long, for so many tables, and at the end."""
    write_first(world, versions)
    world.serve()
    await_version(world, versions, 0)
    with Observer(world.root / TABLE, versions) as seen:
        writer = start_writer(world, versions, way)
        time.sleep(seconds)
        world.wait_for(f"{tables} tables", lambda: seen.generations >= tables)
        last = stop_writer(world, writer)
        await_version(world, versions, last)


@pytest.mark.parametrize("way", ["dnsmasq", "halting", "renamed"])
def test_a_tight_rewriter_of_5000_leases_loses_none_and_makes_none_up(
    world: World, way: str
) -> None:
    rewrite(world, Versions(5_000, int(time.time()) + 3600), way, 3, tables=6)


def test_a_tight_rewriter_of_25000_leases_loses_none_and_makes_none_up(world: World) -> None:
    rewrite(world, Versions(25_000, int(time.time()) + 3600), "dnsmasq", 4, tables=3)


@pytest.mark.long
@pytest.mark.parametrize("count", [5_000, 100_000])
@pytest.mark.parametrize("way", ["dnsmasq", "halting", "renamed"])
def test_an_hour_of_rewriting_in_a_minute_and_a_half(world: World, way: str, count: int) -> None:
    rewrite(world, Versions(count, int(time.time()) + 3600), way, 90)


def test_a_thousand_leases_that_change_within_a_second_are_all_right_soon_after(
    world: World,
) -> None:
    versions = Versions(1_000, int(time.time()) + 3600, period=20)
    write_first(world, versions)
    world.serve()
    await_version(world, versions, 0)
    with Observer(world.root / TABLE, versions) as seen:
        writer = start_writer(world, versions, "dnsmasq", pause=0.05, least=versions.period)
        world.wait_for("a second table", lambda: seen.generations > 1)
        last = stop_writer(world, writer)
        await_version(world, versions, last)
