"""The exporter with real name servers: names come, change, go, and nobody else's are touched."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.leasewatch.dns.exporting import (
    FOREIGN,
    HERE,
    OTHER,
    a_table,
    eventually,
    exporting,
    owned,
    serving,
    set_name,
    zone_of,
)
from tests.name_servers import BIND, KNOT, Engine, need

NO_TRANSFER = {
    BIND: ("allow-transfer { key update; }", "allow-transfer { none; }"),
    KNOT: ("action: transfer", "action: notify"),
}
both_engines = pytest.mark.parametrize("engine", [BIND, KNOT], ids=lambda engine: engine.name)


@pytest.fixture(autouse=True)
def _programs() -> None:
    need()


@both_engines
def test_names_come_change_and_go(engine: Engine, tmp_path: Path) -> None:
    async def follow() -> None:
        table = a_table()
        set_name(table, "web1", "10.77.0.5", "fd00::5")
        set_name(table, "printer", "10.77.0.9", trust="guest")
        async with exporting(server, tmp_path / "state", table) as exporter:
            guest = owned("printer.lab", "10.77.0.9")
            wanted = owned("web1", "10.77.0.5", "fd00::5") | guest | FOREIGN
            await eventually("both names", lambda: zone_of(server) == wanted)
            exporter.table_changed(set_name(table, "web1", "10.77.0.6"))
            wanted = owned("web1", "10.77.0.6") | guest | FOREIGN
            await eventually("the new address", lambda: zone_of(server) == wanted)
            exporter.table_changed(set_name(table, "web1"))
            await eventually("one name", lambda: zone_of(server) == guest | FOREIGN)
            exporter.table_changed(set_name(table, "printer"))
            await eventually("no name", lambda: zone_of(server) == FOREIGN)
            assert (exporter.entry().names, exporter.entry().error) == (0, None)

    with serving(engine, tmp_path / "server") as server:
        asyncio.run(follow())


@both_engines
@pytest.mark.parametrize("transfer", [True, False], ids=["transfer", "queries"])
def test_names_that_went_while_the_exporter_was_down_are_removed(
    engine: Engine, transfer: bool, tmp_path: Path
) -> None:
    async def follow() -> None:
        table = a_table()
        for name in ("web1", "web2", "web3"):
            set_name(table, name, "10.77.0.5")
        async with exporting(server, tmp_path / "state", table):
            await eventually("its names", lambda: server.ask("web3.vms.test") == ["10.77.0.5"])
        set_name(table, "web1")
        set_name(table, "web2", "10.77.0.6")
        set_name(table, "web4", "10.77.0.7")
        async with exporting(server, tmp_path / "state", table) as exporter:
            await eventually("the new names", lambda: exporter.entry().names == 3)
            await eventually("all done", lambda: not exporter.entry().queued)
        for name, found in {"web1": "", "web2": "6", "web3": "5", "web4": "7"}.items():
            assert server.ask(f"{name}.vms.test") == ([f"10.77.0.{found}"] if found else [])
            assert len(server.ask(f"_pyvirt.{name}.vms.test", "TXT")) == bool(found)

    change = ("", "") if transfer else NO_TRANSFER[engine]
    with serving(engine, tmp_path / "server", change) as server:
        asyncio.run(follow())


@both_engines
def test_foreign_records_stay_as_they_are(engine: Engine, tmp_path: Path) -> None:
    async def follow() -> None:
        table = a_table()
        for name in ("mail", "ns1", "web1"):
            set_name(table, name, "10.77.0.5")
        async with exporting(server, tmp_path / "state", table) as exporter:
            await eventually("refusals", lambda: exporter.entry().refused_count == 2)
            await eventually("the rest", lambda: not exporter.entry().queued)
            assert zone_of(server) == FOREIGN | owned("web1", "10.77.0.5")
            assert {one.why for one in exporter.entry().refused} == {
                "has records in the zone that leasewatch did not make"
            }
            for name in ("mail", "ns1", "web1"):
                exporter.table_changed(set_name(table, name))
            await eventually("the removal", lambda: zone_of(server) == FOREIGN)

    with serving(engine, tmp_path / "server") as server:
        asyncio.run(follow())


@both_engines
def test_of_two_hosts_with_one_name_the_first_keeps_it_until_it_goes(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leasewatch.dns.update_plan.RETRY", 0.5)
    monkeypatch.setattr("leasewatch.dns.updates._TICK", 0.2)

    async def follow() -> None:
        first, second = a_table(), a_table()
        set_name(first, "web1", "10.77.0.5")
        set_name(second, "web1", "10.78.0.5")
        async with exporting(server, tmp_path / "a", first, owner=HERE) as one:
            await eventually("the first", lambda: one.entry().names == 1)
            async with exporting(server, tmp_path / "b", second, owner=OTHER) as other:
                await eventually("the refusal", lambda: other.entry().refused_count == 1)
                assert other.entry().refused[0].why == "belongs to host hosta (id 11112222)"
                assert zone_of(server) == FOREIGN | owned("web1", "10.77.0.5")
                one.table_changed(set_name(first, "web1"))
                wanted = FOREIGN | owned("web1", "10.78.0.5", by="hostb", number="33334444")
                await eventually("the second", lambda: zone_of(server) == wanted)

    with serving(engine, tmp_path / "server") as server:
        asyncio.run(follow())
