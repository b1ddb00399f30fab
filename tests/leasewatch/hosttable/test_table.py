"""The host table follows what touches it, failures to write it, and the clock."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from leasewatch.hosttable.table import HostTable
from leasewatch.model import Claim
from leasewatch.names.policy import NamePolicy, Rules
from nss_pyvirt import snapshot
from tests.leasewatch.leasing import change, lease
from tests.leasewatch.logged import LOG


async def _turn() -> None:
    """Let the event loop get to what is due now."""
    for _ in range(3):
        await asyncio.sleep(0)


def test_one_table_holds_all_that_changed_before_it(tmp_path: Path) -> None:
    claims: list[Claim] = []
    published: list[int] = []
    path = tmp_path / "hosts"

    async def run() -> None:
        table = HostTable(NamePolicy(Rules()), path, claims.append)
        table.published.append(lambda: published.append(len(table)))
        table.start()
        for number in (1, 2, 3):
            table.leases_changed([change(None, lease(number, f"web{number}"))])
        await _turn()
        table.stop()

    asyncio.run(run())
    assert published == [0, 3]
    assert len(claims) == 3
    assert snapshot.check(path).hosts == 3


def test_a_table_that_could_not_be_written_is_written_at_the_next_check(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "hosts"

    async def run() -> None:
        table = HostTable(NamePolicy(Rules()), path, lambda _claim: None)
        table.leases_changed([change(None, lease(1))])
        table.start()
        for _ in range(2):
            table.check()
            await _turn()
        path.parent.mkdir()
        table.check()
        await _turn()
        table.stop()

    asyncio.run(run())
    assert snapshot.check(path).hosts == 1
    assert LOG.getvalue().count("publishing failed") == 1


def test_a_lease_without_end_stays_when_the_clock_is_set_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hosts"
    endless = lease(1, expires=0)
    later = time.time() + 10 * 86400

    async def run() -> None:
        table = HostTable(NamePolicy(Rules()), path, lambda _claim: None)
        table.leases_changed([change(None, endless)])
        table.start()
        assert snapshot.lookup(path, endless.hostname or "", now=later).status != "found"
        monkeypatch.setattr(time, "time", lambda: later)
        table.check()
        await _turn()
        table.stop()

    asyncio.run(run())
    assert snapshot.lookup(path, endless.hostname or "", now=later).status == "found"
