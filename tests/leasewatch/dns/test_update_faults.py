"""The exporter when something is wrong: each fault is one clear line, and it goes on afterwards."""

from __future__ import annotations

import asyncio
import base64
import functools
import re
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import dns.message
import pytest

from leasewatch.dns import update_server
from leasewatch.dns.update_notes import Notes
from leasewatch.dns.update_plan import Change, Held
from leasewatch.dns.update_server import ServerError, UpdateServer
from leasewatch.dns.updater import withdraw
from tests.leasewatch.dns.exporting import (
    FOREIGN,
    HERE,
    OTHER,
    ZONE,
    a_table,
    client,
    eventually,
    exporting,
    owned,
    serving,
    set_name,
    zone_of,
)
from tests.leasewatch.logged import LOG
from tests.name_servers import BIND, KNOT, Engine, free_port, need
from tests.waiting import wait_for

_NO_ZONE = {
    BIND: r"does not answer for the zone other\.test \(REFUSED\)",
    KNOT: r"does not answer for the zone other\.test \(REFUSED\)",
}
both_engines = pytest.mark.parametrize("engine", [BIND, KNOT], ids=lambda engine: engine.name)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    need()
    monkeypatch.setattr("leasewatch.dns.updates._LONGEST_WAIT", 0.5)
    monkeypatch.setattr("leasewatch.dns.updates._TICK", 0.2)


@both_engines
def test_changes_during_an_outage_are_made_after_it(engine: Engine, tmp_path: Path) -> None:
    async def follow() -> None:
        table = a_table()
        set_name(table, "web1", "10.77.0.5")
        set_name(table, "web2", "10.77.0.5")
        async with exporting(server, tmp_path / "state", table) as exporter:
            await eventually("its names", lambda: exporter.entry().names == 2)
            await asyncio.to_thread(server.stop)
            exporter.table_changed(set_name(table, "web1"))
            for last in ("7", "8", "9"):
                exporter.table_changed(set_name(table, "web3", f"10.77.0.{last}"))
            await eventually(
                "the fault", lambda: "cannot be reached" in str(exporter.entry().error)
            )
            await asyncio.to_thread(server.start)
            wanted = FOREIGN | owned("web2", "10.77.0.5") | owned("web3", "10.77.0.9")
            await eventually("the last wishes", lambda: zone_of(server) == wanted)
            await eventually("no fault", lambda: not exporter.entry().error)
        assert 1 <= LOG.getvalue().count("names not exported") <= 2  # closed, then refused

    with serving(engine, tmp_path / "server") as server:
        asyncio.run(follow())


@both_engines
def test_records_that_the_server_has_lost_come_back(engine: Engine, tmp_path: Path) -> None:
    async def follow() -> None:
        table = a_table()
        set_name(table, "web1", "10.77.0.5")
        async with exporting(server, tmp_path / "state", table) as exporter:
            await eventually("its name", lambda: exporter.entry().names == 1)
            await asyncio.to_thread(server.kill)
            (server.folder / f"{ZONE}.zone").write_text(file)
            (server.folder / f"{ZONE}.zone.jnl").unlink(missing_ok=True)
            shutil.rmtree(server.folder / "journal", ignore_errors=True)
            await asyncio.to_thread(server.start)
            wanted = FOREIGN | owned("web1", "10.77.0.5")
            await eventually("its name again", lambda: zone_of(server) == wanted)

    with serving(engine, tmp_path / "server") as server:
        file = (server.folder / f"{ZONE}.zone").read_text()
        asyncio.run(follow())


async def _fault(server: UpdateServer) -> ServerError:
    with pytest.raises(ServerError) as caught:
        await server.held(["web1"])
    with pytest.raises(ServerError) as updated:
        await server.serial()
    # A clock's difference may be a second more by then
    same = [re.sub(r"\d+ s\b", "N s", error.value.what) for error in (updated, caught)]
    assert same[0] == same[1]
    return caught.value


@both_engines
def test_each_fault_of_key_clock_and_zone_says_what_to_do(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def follow() -> None:
        at = f"127.0.0.1 port {server.port}"
        fault = await _fault(client(server, key="other"))
        assert fault.what == f"{at} does not know the key other, or denies it (BADKEY)"
        assert fault.hint == "leasewatch dns setup bind (or knot) prints what the server needs"
        fault = await _fault(client(server, secret=b"another secret, of another host!"))
        assert fault.what == f"{at} has another secret for the key update (BADSIG)"
        assert fault.hint == "copy the key file to the server again"
        nowhere = client(server, port=free_port())
        assert "cannot be reached: Connection refused" in (await _fault(nowhere)).what
        strange = client(server, zone="other.test")
        with pytest.raises(ServerError, match=_NO_ZONE[engine]):
            await strange.serial()
        shifted = types.SimpleNamespace(time=lambda: time.time() + 400)
        for module in (dns.message, update_server):
            monkeypatch.setattr(module, "time", shifted)
        fault = await _fault(made)
        shown = re.escape(f" ahead of that of {at} (BADTIME)")
        assert re.fullmatch(f"this host's clock is 4.. s{shown}", fault.what)

    with serving(engine, tmp_path / "server") as server:
        made = client(server)
        asyncio.run(follow())


@both_engines
def test_withdrawing_leaves_nothing_of_this_host_and_all_of_others(
    engine: Engine, tmp_path: Path
) -> None:
    async def follow() -> None:
        ours, theirs = a_table(), a_table()
        for number in range(120):
            set_name(ours, f"web{number}", "10.77.0.5", "fd00::5")
        set_name(theirs, "other", "10.78.0.5")
        async with (
            exporting(server, tmp_path / "a", ours) as one,
            exporting(server, tmp_path / "b", theirs, owner=OTHER) as other,
        ):
            await eventually("our names", lambda: one.entry().names == 120)
            await eventually("their name", lambda: other.entry().names == 1)
        notes = Notes(tmp_path / "a", ZONE)
        notes.read()
        gone = await withdraw(client(server), HERE, notes)
        assert gone == [(f"web{number}", True) for number in sorted(range(120), key=str)]
        left = owned("other", "10.78.0.5", by="hostb", number="33334444")
        assert zone_of(server) == FOREIGN | left

    with serving(engine, tmp_path / "server") as server:
        asyncio.run(follow())


def test_a_name_that_the_policy_denies_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async def follow() -> None:
        table = a_table()
        for name in ("web1", "denied", "web2"):
            set_name(table, name, "10.77.0.5")
        async with exporting(server, tmp_path / "state", table) as exporter:
            await eventually("the refusal", lambda: exporter.entry().refused_count == 1)
            await eventually("the others", lambda: exporter.entry().names == 2)
            assert exporter.entry().refused[0].name == "denied"
            assert exporter.entry().refused[0].why.endswith("(REFUSED)")

    policy = "update-policy { deny update name denied.vms.test. A; "
    with serving(BIND, tmp_path / "server", change=("update-policy { ", policy)) as server:
        asyncio.run(follow())


def test_a_server_that_allows_no_update_is_one_line(tmp_path: Path) -> None:
    async def follow() -> None:
        table = a_table()
        for number in range(40):
            set_name(table, f"web{number}", "10.77.0.5")
        async with exporting(server, tmp_path / "state", table) as exporter:
            await eventually("the fault", lambda: exporter.entry().error)
            assert str(exporter.entry().error).endswith(
                "takes no updates of the zone vms.test (REFUSED)"
            )
            assert exporter.entry().refused_count == 0
        assert LOG.getvalue().count("not exported") == 1

    with serving(BIND, tmp_path / "server", change=("grant update ", "deny update ")) as server:
        asyncio.run(follow())


def test_no_kill_in_the_middle_of_a_batch_loses_or_leaves_a_name(tmp_path: Path) -> None:
    state = tmp_path / "state"

    async def follow() -> None:
        table = a_table()
        set_name(table, "web1", "10.77.0.5")
        async with exporting(server, state, table) as exporter:
            await eventually("one name", lambda: exporter.entry().names == 1)
            await eventually("all done", lambda: not exporter.entry().queued)
        assert zone_of(server, signed=False) == FOREIGN | owned("web1", "10.77.0.5")

    def sent(name: str) -> bool:
        return bool(server.ask(f"{name}.{ZONE}"))

    change = "allow-transfer { key update; }", "allow-transfer { !key update; any; }"
    with serving(BIND, tmp_path / "server", change) as server:
        argv = [
            sys.executable,
            "-m",
            "tests.leasewatch.dns.exporting",
            str(server.port),
            str(state),
        ]
        for name in ("web0", "web60"):
            with subprocess.Popen(argv) as process:
                wait_for("a name", functools.partial(sent, name))
                process.kill()
            asyncio.run(follow())


@both_engines
def test_the_secret_is_in_no_line_of_the_log(engine: Engine, tmp_path: Path) -> None:
    secret = b"another secret, of another host!"

    async def follow() -> None:
        wrong = client(server, secret=secret)
        with pytest.raises(ServerError) as fault:
            await wrong.serial()
        for shown in (secret.decode(), base64.b64encode(secret).decode()):
            assert shown not in f"{fault.value.what} {fault.value.hint} {LOG.getvalue()}"

    with serving(engine, tmp_path / "server") as server:
        asyncio.run(follow())


def test_a_reply_that_nobody_expected_is_logged_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def strange(_: UpdateServer) -> int:
        raise RuntimeError("strange")

    async def follow() -> None:
        table = a_table()
        set_name(table, "web1", "10.77.0.5")
        with monkeypatch.context() as patch:
            patch.setattr(UpdateServer, "serial", strange)
            async with exporting(server, tmp_path / "state", table) as exporter:
                await eventually("the fault", lambda: exporter.entry().error)
                assert exporter.entry().error == "RuntimeError: strange"
                patch.undo()
                await eventually("no fault", lambda: not exporter.entry().error)

    with serving(BIND, tmp_path / "server") as server:
        asyncio.run(follow())


def test_a_record_of_ours_that_others_delete_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leasewatch.dns.updates._LOOK", 0.5)

    async def follow() -> None:
        table = a_table()
        set_name(table, "web1", "10.77.0.5")
        wanted = FOREIGN | owned("web1", "10.77.0.5")
        async with exporting(server, tmp_path / "state", table):
            await eventually("its name", lambda: zone_of(server) == wanted)
            vandal = client(server, zone=ZONE)
            await vandal.update([Change("web1", Held(HERE, ("10.77.0.5",)), None)])
            await eventually("its name again", lambda: zone_of(server) == wanted)

    with serving(BIND, tmp_path / "server") as server:
        asyncio.run(follow())
